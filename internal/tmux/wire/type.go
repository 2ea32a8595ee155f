package wire

import "fmt"

// Type is a message's number. The numbers are tmux's and have been the same
// from 3.2 to 3.7.
type Type uint32

// Every message of the protocol.
const (
	TypeVersion           Type = 12
	TypeIdentifyFlags     Type = 100
	TypeIdentifyTerm      Type = 101
	TypeIdentifyTTYName   Type = 102
	TypeIdentifyOldCwd    Type = 103
	TypeIdentifyStdin     Type = 104
	TypeIdentifyEnviron   Type = 105
	TypeIdentifyDone      Type = 106
	TypeIdentifyClientPID Type = 107
	TypeIdentifyCwd       Type = 108
	TypeIdentifyFeatures  Type = 109
	TypeIdentifyStdout    Type = 110
	TypeIdentifyLongFlags Type = 111
	TypeIdentifyTerminfo  Type = 112
	TypeCommand           Type = 200
	TypeDetach            Type = 201
	TypeDetachKill        Type = 202
	TypeExit              Type = 203
	TypeExited            Type = 204
	TypeExiting           Type = 205
	TypeLock              Type = 206
	TypeReady             Type = 207
	TypeResize            Type = 208
	TypeShell             Type = 209
	TypeShutdown          Type = 210
	TypeSuspend           Type = 214
	TypeUnlock            Type = 215
	TypeWakeup            Type = 216
	TypeExec              Type = 217
	TypeFlags             Type = 218
	TypeReadOpen          Type = 300
	TypeRead              Type = 301
	TypeReadDone          Type = 302
	TypeWriteOpen         Type = 303
	TypeWrite             Type = 304
	TypeWriteReady        Type = 305
	TypeWriteClose        Type = 306
	TypeReadCancel        Type = 307
)

// String is the message's name in tmux's words, without the leading MSG_.
func (t Type) String() string {
	if s := typeName(t); s != "" {
		return s
	}
	return fmt.Sprintf("unknown-%d", uint32(t))
}

func typeName(t Type) string {
	switch t {
	case TypeVersion:
		return "version"
	case TypeIdentifyFlags:
		return "identify-flags"
	case TypeIdentifyTerm:
		return "identify-term"
	case TypeIdentifyTTYName:
		return "identify-ttyname"
	case TypeIdentifyOldCwd:
		return "identify-oldcwd"
	case TypeIdentifyStdin:
		return "identify-stdin"
	case TypeIdentifyEnviron:
		return "identify-environ"
	case TypeIdentifyDone:
		return "identify-done"
	case TypeIdentifyClientPID:
		return "identify-clientpid"
	case TypeIdentifyCwd:
		return "identify-cwd"
	case TypeIdentifyFeatures:
		return "identify-features"
	case TypeIdentifyStdout:
		return "identify-stdout"
	case TypeIdentifyLongFlags:
		return "identify-longflags"
	case TypeIdentifyTerminfo:
		return "identify-terminfo"
	}
	return laterTypeName(t)
}

func laterTypeName(t Type) string {
	switch t {
	case TypeCommand:
		return "command"
	case TypeDetach:
		return "detach"
	case TypeDetachKill:
		return "detach-kill"
	case TypeExit:
		return "exit"
	case TypeExited:
		return "exited"
	case TypeExiting:
		return "exiting"
	case TypeLock:
		return "lock"
	case TypeReady:
		return "ready"
	case TypeResize:
		return "resize"
	case TypeShell:
		return "shell"
	case TypeShutdown:
		return "shutdown"
	case TypeSuspend:
		return "suspend"
	case TypeUnlock:
		return "unlock"
	case TypeWakeup:
		return "wakeup"
	case TypeExec:
		return "exec"
	case TypeFlags:
		return "flags"
	case TypeReadOpen:
		return "read-open"
	case TypeRead:
		return "read"
	case TypeReadDone:
		return "read-done"
	case TypeWriteOpen:
		return "write-open"
	case TypeWrite:
		return "write"
	case TypeWriteReady:
		return "write-ready"
	case TypeWriteClose:
		return "write-close"
	case TypeReadCancel:
		return "read-cancel"
	}
	return ""
}
