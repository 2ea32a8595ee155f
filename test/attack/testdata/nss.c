/* A module of the name service switch that hangs, or lies, as files of a directory say. */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int says(const char *what)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", DIR, what);
	return access(path, F_OK) == 0;
}

enum nss_status _nss_compat_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, int *err)
{
	if (says("hangs"))
		sleep(60);
	if (says("fails")) {
		*err = EIO;
		return NSS_STATUS_UNAVAIL;
	}
	if (!says("lies") || len < 64)
		return NSS_STATUS_NOTFOUND;
	strcpy(buf, "mwalice");
	strcpy(buf + 16, "/");
	strcpy(buf + 32, "/bin/sh");
	pw->pw_name = buf;
	pw->pw_passwd = pw->pw_gecos = "x";
	pw->pw_dir = buf + 16;
	pw->pw_shell = buf + 32;
	pw->pw_uid = uid;
	pw->pw_gid = uid;
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_compat_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *err)
{
	if (says("hangs"))
		sleep(60);
	return NSS_STATUS_NOTFOUND;
}
