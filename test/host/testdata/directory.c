/*
 * A directory service of the tests: a module of the name service switch that answers from the files passwd
 * and group of the directory DIR, and misbehaves as files there say: hangs, hangs-NAME (for one name or
 * number), fails, gone (it has nothing), floods (an answer of 100 MB), lies (its first entry is the
 * answer to whatever is asked). It misbehaves towards who asks for muxward (uid 65533) alone: tmux itself asks
 * who it is, and would hang, too. asked gets a line for each question.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int says(const char *what)
{
	char path[4096];
	if (getuid() != 65533)
		return 0;
	snprintf(path, sizeof path, "%s/%s", DIR, what);
	return access(path, F_OK) == 0;
}

static void note(const char *what, const char *word)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%s %s uid %d\n", what, word, (int)getuid());
	int fd = open(DIR "/asked", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, line, n) != n)
			abort();
		close(fd);
	}
}

/* behave does what goes before an answer: 0 is to go on. */
static enum nss_status behave(const char *word, int *err)
{
	char hangs[512];
	snprintf(hangs, sizeof hangs, "hangs-%s", word);
	if (says("hangs") || says(hangs))
		sleep(60);
	if (says("fails")) {
		*err = EIO;
		return NSS_STATUS_UNAVAIL;
	}
	return says("gone") ? NSS_STATUS_NOTFOUND : NSS_STATUS_SUCCESS;
}

static enum nss_status find(const char *name, uid_t uid, struct passwd *pw, char *buf, size_t len, int *err)
{
	char word[512];
	struct passwd *p;
	enum nss_status s;
	FILE *f;

	snprintf(word, sizeof word, name ? "%s" : "%s%u", name ? name : "", (unsigned)uid);
	note("passwd", word);
	if ((s = behave(word, err)) != NSS_STATUS_SUCCESS)
		return s;
	f = fopen(DIR "/passwd", "re");
	if (!f)
		return NSS_STATUS_NOTFOUND;
	s = NSS_STATUS_NOTFOUND;
	for (;;) {
		int e = fgetpwent_r(f, pw, buf, len, &p);
		if (e == ERANGE) {
			*err = ERANGE;
			s = NSS_STATUS_TRYAGAIN;
			break;
		}
		if (e || !p)
			break;
		if (says("lies") || (name ? !strcmp(p->pw_name, name) : p->pw_uid == uid)) {
			s = NSS_STATUS_SUCCESS;
			break;
		}
	}
	fclose(f);
	if (s == NSS_STATUS_SUCCESS && says("floods")) {
		size_t want = 100 << 20;
		if (len < want + 4096) {
			*err = ERANGE;
			return NSS_STATUS_TRYAGAIN;
		}
		pw->pw_gecos = buf + 2048;
		memset(pw->pw_gecos, 'x', want);
		pw->pw_gecos[want] = 0;
	}
	return s;
}

enum nss_status _nss_compat_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, int *err)
{
	return find(NULL, uid, pw, buf, len, err);
}

enum nss_status _nss_compat_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *err)
{
	return find(name, 0, pw, buf, len, err);
}

enum nss_status _nss_compat_getgrnam_r(const char *name, struct group *gr, char *buf, size_t len, int *err)
{
	struct group *g;
	enum nss_status s;
	FILE *f;

	note("group", name);
	if ((s = behave(name, err)) != NSS_STATUS_SUCCESS)
		return s;
	f = fopen(DIR "/group", "re");
	if (!f)
		return NSS_STATUS_NOTFOUND;
	s = NSS_STATUS_NOTFOUND;
	while (!fgetgrent_r(f, gr, buf, len, &g) && g)
		if (!strcmp(g->gr_name, name)) {
			s = NSS_STATUS_SUCCESS;
			break;
		}
	fclose(f);
	return s;
}

enum nss_status _nss_compat_initgroups_dyn(const char *user, gid_t skip, long *start, long *size, gid_t **groups, long most, int *err)
{
	static char buf[1 << 16];
	struct group gr, *g;
	enum nss_status s;
	FILE *f;

	note("initgroups", user);
	if ((s = behave(user, err)) != NSS_STATUS_SUCCESS)
		return s;
	f = fopen(DIR "/group", "re");
	if (!f)
		return NSS_STATUS_NOTFOUND;
	while (!fgetgrent_r(f, &gr, buf, sizeof buf, &g) && g)
		for (char **m = g->gr_mem; *m; m++)
			if (!strcmp(*m, user) && g->gr_gid != skip) {
				if (*start == *size) {
					gid_t *more = realloc(*groups, 2 * *size * sizeof **groups);
					if (!more)
						break;
					*groups = more;
					*size *= 2;
				}
				(*groups)[(*start)++] = g->gr_gid;
			}
	fclose(f);
	return NSS_STATUS_SUCCESS;
}
