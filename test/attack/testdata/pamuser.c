/* A PAM module that makes another account of the one that is asked about: at the step, and to
 * the account, that its arguments name. */
#include <security/pam_modules.h>
#include <string.h>

static int change(pam_handle_t *h, const char *step, int argc, const char **argv)
{
	if (argc == 2 && strcmp(argv[0], step) == 0)
		return pam_set_item(h, PAM_USER, argv[1]);
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return change(h, "account", argc, argv);
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return change(h, "setcred", argc, argv);
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return PAM_SUCCESS;
}

int pam_sm_open_session(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return change(h, "session", argc, argv);
}

int pam_sm_close_session(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return PAM_SUCCESS;
}
