package hostconf

type fact struct{}
