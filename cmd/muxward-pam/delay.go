//go:build cgo

package main

/*
#cgo LDFLAGS: -lpam
#include <security/pam_appl.h>

static void no_delay(int status, unsigned usec, void *data) { (void)status; (void)usec; (void)data; }

static int without_delay(void *h)
{
	return pam_set_item(h, PAM_FAIL_DELAY, (const void *)no_delay);
}
*/
import "C"

import (
	"errors"
	"reflect"

	libpam "github.com/msteinert/pam/v2"
)

// withoutDelay has PAM not sleep behind a login that fails: how long it does tells what was
// wrong, and muxward has everybody wait alike. That takes a function of C, which the library
// cannot set, and so its handle.
func withoutDelay(t *libpam.Transaction) error {
	handle := reflect.ValueOf(t).Elem().FieldByName("handle")
	if handle.Kind() != reflect.Pointer || handle.IsNil() {
		return errors.New("the PAM library has its handle elsewhere")
	}
	if C.without_delay(handle.UnsafePointer()) != C.PAM_SUCCESS {
		return errors.New("PAM takes no function that waits")
	}
	return nil
}
