/* A PAM module that does what it is answered. It writes whom it is asked about to the file
 * that its first argument names. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void note(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "%s\n", what);
	close(fd);
}

/* stray leaves a process without a parent, in a session of its own, with every descriptor. */
static void stray(const char *path)
{
	char pid[32];
	int said[2];

	if (pipe(said) < 0)
		return;
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			snprintf(pid, sizeof pid, "stray %d", getpid());
			note(path, pid);
			if (write(said[1], "", 1) == 1)
				sleep(60);
		}
		_exit(0);
	}
	while (read(said[0], pid, 1) < 0 && errno == EINTR)
		;
}

static int deed(pam_handle_t *h, const char *path, const char *what)
{
	static jmp_buf nowhere;
	char *reply = NULL;
	char *lots;
	int i;

	if (strcmp(what, "good") == 0)
		return PAM_SUCCESS;
	if (strcmp(what, "hang") == 0)
		for (;;)
			pause();
	if (strcmp(what, "stop") == 0)
		raise(SIGSTOP);
	if (strcmp(what, "segv") == 0)
		*(volatile int *)8 = 1;
	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "exit") == 0)
		_exit(0);
	if (strcmp(what, "longjmp") == 0)
		longjmp(nowhere, 1);
	if (strcmp(what, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(what, "prompts") == 0)
		for (i = 0; i < 100; i++)
			if (pam_prompt(h, PAM_PROMPT_ECHO_ON, &reply, "Deed: ") != PAM_SUCCESS)
				return PAM_CONV_ERR;
	if (strcmp(what, "garbage") == 0)
		return 12345;
	if (strcmp(what, "line") == 0) {
		if (write(3, "\0\0\0\100\5{\"ok\":true}", 16) < 0 || close(3) < 0)
			return PAM_SYSTEM_ERR;
		sleep(60);
	}
	if (strcmp(what, "streams") == 0) {
		for (i = 0; i < 3; i++)
			close(i);
		return PAM_SUCCESS;
	}
	if (strcmp(what, "leak") == 0) {
		for (i = 0; i < 50; i++)
			if (open("/dev/null", O_RDONLY) < 0)
				return PAM_SYSTEM_ERR;
		return PAM_SUCCESS;
	}
	if (strncmp(what, "user ", 5) == 0)
		return pam_set_item(h, PAM_USER, what + 5);
	if (strcmp(what, "stray") == 0) {
		stray(path);
		return PAM_AUTH_ERR;
	}
	if (strcmp(what, "escape") == 0) {
		pam_info(h, "%s", "\033]52;c;ZXZpbA==\007");
		pam_prompt(h, PAM_PROMPT_ECHO_ON, &reply, "%s", "\033[2J\033]0;evil\007\302\233 \342\200\256: ");
	}
	if (strcmp(what, "long") == 0) {
		lots = malloc(60000);
		if (!lots)
			return PAM_BUF_ERR;
		memset(lots, 'x', 59999);
		lots[59999] = 0;
		pam_prompt(h, PAM_PROMPT_ECHO_ON, &reply, "%s", lots);
	}
	return PAM_AUTH_ERR;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv)
{
	const char *user = NULL;
	char *reply = NULL;

	if (argc < 1 || pam_get_user(h, &user, NULL) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	note(argv[0], user);
	if (pam_prompt(h, PAM_PROMPT_ECHO_OFF, &reply, "Deed: ") != PAM_SUCCESS || !reply)
		return PAM_CONV_ERR;
	return deed(h, argv[0], reply);
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv) { return PAM_SUCCESS; }

/* Of accounts in the second argument the password has expired. */
int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv)
{
	const char *user = NULL;

	if (pam_get_user(h, &user, NULL) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	return argc > 1 && strcmp(argv[1], user) == 0 ? PAM_NEW_AUTHTOK_REQD : PAM_SUCCESS;
}

int pam_sm_chauthtok(pam_handle_t *h, int flags, int argc, const char **argv)
{
	char *first = NULL, *again = NULL;

	if (flags & PAM_PRELIM_CHECK)
		return PAM_SUCCESS;
	pam_info(h, "Your password has expired.");
	for (;;) {
		if (pam_prompt(h, PAM_PROMPT_ECHO_OFF, &first, "New password: ") != PAM_SUCCESS ||
		    pam_prompt(h, PAM_PROMPT_ECHO_OFF, &again, "Again: ") != PAM_SUCCESS)
			return PAM_CONV_ERR;
		if (first && again && strcmp(first, again) == 0)
			return PAM_SUCCESS;
		pam_error(h, "They are not the same.");
	}
}
