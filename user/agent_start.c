// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent_files.h"
#include "agent_start.h"
#include "cleanup.h"
#include "endpoint.h"
#include "log.h"
#include "session.h"

/* Connections that wait to be accepted; behind it SYN cookies. */
#define BACKLOG 512

static void start_init(struct agent_start *start, const char *conf_path)
{
	memset(start, 0, sizeof(*start));
	start->conf_path = conf_path;
	start->pins.fd = -1;
	start->lock_fd = start->control_fd = start->state_fd = -1;
	memset(start->listen_fds, 0xff, sizeof(start->listen_fds));
}

static int read_files(struct agent_start *start)
{
	char why[AGENT_FILES_WHY_LEN];
	struct keeper_files files;

	if (agent_files_open(start->conf_path, &start->conf, &files, &start->tls, why))
		return log_error("%s", why);
	agent_files_close(&files);
	return 0;
}

static int check_user(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return log_error(
			"'%s': no such user; expected one for the agent; 'systemd-sysusers' "
			"makes it, or 'useradd --system %s'",
			name, name);
	if (!pw->pw_uid || !pw->pw_gid)
		return log_error("'%s': this user is root, or in its group; expected one without "
				 "any right",
				 name);
	return 0;
}

static int open_pins(struct agent_start *start, const char *pin_dir)
{
	struct session s;
	int err = session_open(&s, pin_dir); /* has spoken */

	if (err)
		return 1;
	start->pins = s.dir;
	start->tables = s.tables;
	start->our_netns = session_is_our_netns(&s);
	if (!start->our_netns)
		log_note(
			"note: the pins serve another network namespace: its sockets and neighbour "
			"entries are not looked after");
	err = tables_policy_open(&start->policy, start->pins.fd);
	if (err)
		return log_errno(err, "'%s': cannot open the maps of the policy", pin_dir);
	start->lock_fd = pindir_lock_agent(start->pins.fd);
	if (start->lock_fd == -EBUSY)
		return log_error("'%s': another agent serves these pins; expected one at a time",
				 pin_dir);
	if (start->lock_fd < 0)
		return log_errno(start->lock_fd, "'%s': cannot lock it for an agent", pin_dir);
	return 0;
}

/* Return: descriptor or -errno. */
static int listen_at(const struct tcpmig_endpoint *ep)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(ep, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    (addr.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes))) ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, BACKLOG)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int open_listeners(struct agent_start *start)
{
	char text[ENDPOINT_STRLEN];

	for (size_t i = 0; i < start->conf.listen_count; i++) {
		int fd = listen_at(&start->conf.listen[i]);

		if (fd < 0) {
			endpoint_format(&start->conf.listen[i], text);
			return log_errno(fd,
					 "'%s': cannot listen there, expected a free port of an "
					 "address of this host",
					 text);
		}
		start->listen_fds[i] = fd;
	}
	return 0;
}

/* Another one for each pin directory: named after its control socket. */
static void state_path(const struct agent_start *start, const char *control, char *path,
		       size_t size)
{
	const char *name = strrchr(control, '/') + 1;

	snprintf(path, size, "%s/%.*s.state", start->conf.state,
		 (int)(strlen(name) - strlen(".sock")), name);
}

/* @made: whether there was none before */
static int open_state(struct agent_start *start, const char *path, bool *made)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	if (!mkdir(start->conf.state, 0700))
		log_verbose("made '%s'", start->conf.state);
	start->state_fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	*made = start->state_fd >= 0;
	if (start->state_fd < 0 && errno == EEXIST)
		start->state_fd = open(path, flags);
	if (start->state_fd < 0)
		return log_errno(errno,
				 "'%s': cannot open it; expected a file in a directory of "
				 "root's",
				 path);
	if (fstat(start->state_fd, &st) || st.st_uid != geteuid() || st.st_mode & 077 ||
	    !S_ISREG(st.st_mode))
		return log_error("'%s': others may use it; expected a file of root's; chown root, "
				 "chmod 600",
				 path);
	return 0;
}

/* The lock on the pins is ours: an agent that listens there serves others of the same name. */
static bool is_alive(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (!connect(fd, (struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN);
}

static int bind_control(struct agent_start *start, const struct sockaddr_un *addr)
{
	mode_t mask;
	int err;

	if (!mkdir(CONTROL_PATH_DIR, 0755))
		chmod(CONTROL_PATH_DIR, 0755); /* whatever the umask */
	if (is_alive(addr))
		return -EADDRINUSE;
	start->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (start->control_fd < 0 || (unlink(addr->sun_path) && errno != ENOENT))
		return -errno;
	mask = umask(0177);
	err = bind(start->control_fd, (struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	umask(mask);
	if (err)
		return err;
	strcpy(start->control_path, addr->sun_path);
	return listen(start->control_fd, BACKLOG) ? -errno : 0;
}

static int open_control(struct agent_start *start, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	strcpy(addr.sun_path, path);
	err = bind_control(start, &addr);
	if (err == -EADDRINUSE)
		return log_error("'%s': another agent listens there; expected pin directories "
				 "with different names",
				 path);
	return err ? log_errno(err, "'%s': cannot listen there", path) : 0;
}

int agent_start_policy(struct agent_start *start, const struct agent_conf *conf)
{
	struct tcpmig_policies policies = { .generation = 1, .count = conf->policy_count };

	memcpy(policies.list, conf->policies, conf->policy_count * sizeof(*policies.list));
	return tables_set_policy(&start->policy, &policies);
}

static int open_state_and_policy(struct agent_start *start, const char *pin_dir)
{
	char path[CONF_PATH_LEN + CONTROL_PATH_LEN];
	bool made = false;
	int err;

	state_path(start, start->control_path, path, sizeof(path));
	if (open_state(start, path, &made))
		return 1;
	err = agent_start_policy(start, &start->conf);
	if (err && made)
		unlink(path);
	return err ? log_errno(err, "'%s': cannot write the policy", pin_dir) : 0;
}

static int open_all(struct agent_start *start, const char *pin_dir)
{
	char path[CONTROL_PATH_LEN];
	int err;

	if (read_files(start) || check_user(start->conf.user) || open_pins(start, pin_dir))
		return 1;
	err = control_socket_path(pin_dir, path, sizeof(path));
	if (err)
		return log_errno(err, "'%s': no name for the control socket", pin_dir);
	if (open_listeners(start) || open_control(start, path))
		return 1;
	return open_state_and_policy(start, pin_dir);
}

int agent_start_open(struct agent_start *start, const char *conf_path, const char *pin_dir)
{
	int status;

	close_range(STDERR_FILENO + 1, ~0U, 0); /* whatever else is open is not the agent's */
	start_init(start, conf_path);
	status = open_all(start, pin_dir);
	if (status)
		agent_start_close(start);
	else
		pindir_unlock(&start->pins);
	return status;
}

static void close_fd(int *fd)
{
	cleanup_closep(fd);
	*fd = -1;
}

/* Within the lock of the pins, or without if somebody has it for long: then it only stays. */
static void give_lock_up(struct agent_start *start)
{
	if (start->lock_fd >= 0 && !pindir_lock(&start->pins, 1000))
		pindir_unlock_agent(&start->pins, start->lock_fd);
	else if (start->lock_fd >= 0)
		close(start->lock_fd);
	start->lock_fd = -1;
}

void agent_start_close(struct agent_start *start)
{
	if (*start->control_path)
		unlink(start->control_path);
	start->control_path[0] = '\0';
	close_fd(&start->control_fd);
	close_fd(&start->state_fd);
	for (size_t i = 0; i < AGENT_LISTEN_MAX; i++)
		close_fd(&start->listen_fds[i]);
	give_lock_up(start);
	tables_policy_close(&start->policy);
	tables_close(&start->tables);
	pindir_close(&start->pins);
	tls_free(start->tls);
	start->tls = NULL;
}
