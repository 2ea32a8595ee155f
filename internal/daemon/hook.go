package daemon

import (
	"bytes"
	"fmt"

	"github.com/muxward/muxward/internal/webhook"
)

// openHook makes the hook of the configuration, nil if there is none.
func (d *daemon) openHook() (*webhook.Hook, error) {
	c := d.config.Webhook
	if c.URL == "" {
		return nil, nil
	}
	key, err := readKept(c.Secret, webhook.MaxSecret+2, secret)
	if err != nil {
		return nil, fmt.Errorf("webhook: secret: %w", err)
	}
	h, err := webhook.New(webhook.Options{URL: c.URL, Secret: bytes.TrimSpace(key), Complain: d.complain})
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return h, nil
}
