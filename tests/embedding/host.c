/* A host program in an odd state that runs containers from four threads and looks whether it is still itself.
 *
 *     host MODE REPORT-FILE ENGINE-ROOT RUN-DIRECTORY
 *
 * It puts itself into the state that MODE names, takes a picture of everything a library could change, uses barque, takes
 * another, and writes each difference as a line of REPORT-FILE; an empty report is a good one. Nothing is printed: whatever
 * appears on standard output or error came from the library. */

#include <barque.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int report_fd;
static const char *engine_root, *run_directory;

static void tell(const char *format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof text - 2) length = sizeof text - 2;
  text[length++] = '\n';
  if (write(report_fd, text, (size_t)length) < 0) _exit(99);
}

/* Everything that a library could change about its process. */
struct picture {
  struct sigaction actions[65];
  sigset_t mask;
  mode_t umask;
  char cwd[4096];
  char fds[1024][64];
  int fd_count, threads, children;
  char namespaces[8][64];
  unsigned long environment;
  struct rlimit limits[RLIM_NLIMITS];
  int priority, dumpable, death_signal, subreaper, keep_caps;
  char locale[256];
  struct itimerval timer;
};

static int count(const char *directory) {
  DIR *list = opendir(directory);
  int n = 0;
  if (!list) return -1;
  while (readdir(list)) n++;
  closedir(list);
  return n - 2;
}

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

static void take(struct picture *p) {
  memset(p, 0, sizeof *p);
  for (int n = 1; n <= 64; n++) sigaction(n, NULL, &p->actions[n]);
  pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
  p->umask = umask(0);
  umask(p->umask);
  if (readlink("/proc/self/cwd", p->cwd, sizeof p->cwd - 1) < 0) p->cwd[0] = 0;
  DIR *list = opendir("/proc/self/fd");
  for (struct dirent *entry; list && (entry = readdir(list));) {
    char path[300], target[40] = "";
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(list) || p->fd_count >= 1024) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, target, sizeof target - 1) < 0) target[0] = 0;
    snprintf(p->fds[p->fd_count++], 64, "%.8s %.50s", entry->d_name, target);
  }
  if (list) closedir(list);
  qsort(p->fds, (size_t)p->fd_count, sizeof *p->fds, compare_names);
  p->threads = count("/proc/self/task");
  siginfo_t info;
  memset(&info, 0, sizeof info);
  p->children = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
  static const char *names[8] = {"mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "pid_for_children"};
  for (int n = 0; n < 8; n++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", names[n]);
    if (readlink(path, p->namespaces[n], 63) < 0) p->namespaces[n][0] = 0;
  }
  for (char **entry = environ; *entry; entry++)
    for (char *c = *entry; *c; c++) p->environment = p->environment * 31 + (unsigned char)*c;
  for (int n = 0; n < RLIM_NLIMITS; n++) getrlimit(n, &p->limits[n]);
  p->priority = getpriority(PRIO_PROCESS, 0);
  p->dumpable = prctl(PR_GET_DUMPABLE);
  prctl(PR_GET_PDEATHSIG, &p->death_signal);
  prctl(PR_GET_CHILD_SUBREAPER, &p->subreaper);
  p->keep_caps = prctl(PR_GET_KEEPCAPS);
  snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
  getitimer(ITIMER_REAL, &p->timer);
}

static void compare(const struct picture *a, const struct picture *b) {
  for (int n = 1; n <= 64; n++)
    if (a->actions[n].sa_handler != b->actions[n].sa_handler || a->actions[n].sa_flags != b->actions[n].sa_flags)
      tell("the disposition of signal %d has changed", n);
  for (int n = 1; n <= 64; n++)
    if (sigismember(&a->mask, n) != sigismember(&b->mask, n)) tell("the mask of signal %d has changed", n);
  if (a->umask != b->umask) tell("umask %04o became %04o", a->umask, b->umask);
  if (strcmp(a->cwd, b->cwd)) tell("cwd %s became %s", a->cwd, b->cwd);
  if (a->threads != b->threads) tell("%d threads became %d", a->threads, b->threads);
  if (a->children != b->children) tell("children: %d became %d", a->children, b->children);
  if (a->environment != b->environment) tell("the environment has changed");
  for (int n = 0; n < 8; n++)
    if (strcmp(a->namespaces[n], b->namespaces[n])) tell("namespace %s became %s", a->namespaces[n], b->namespaces[n]);
  if (memcmp(a->limits, b->limits, sizeof a->limits)) tell("a resource limit has changed");
  if (a->priority != b->priority || a->dumpable != b->dumpable || a->death_signal != b->death_signal ||
      a->subreaper != b->subreaper || a->keep_caps != b->keep_caps)
    tell("an attribute of the process has changed");
  if (strcmp(a->locale, b->locale)) tell("locale %s became %s", a->locale, b->locale);
  if (a->fd_count != b->fd_count) {
    tell("%d descriptors became %d", a->fd_count, b->fd_count);
    for (int n = 0; n < b->fd_count; n++) {
      int known = 0;
      for (int m = 0; m < a->fd_count; m++) known |= !strcmp(a->fds[m], b->fds[n]);
      if (!known) tell("  new: %s", b->fds[n]);
    }
  } else if (memcmp(a->fds, b->fds, sizeof *a->fds * (size_t)a->fd_count))
    tell("descriptors are others than before");
}

/* Run a container that exits with 7, and look at what it saw. */
static void *use(void *argument) {
  barque_engine *engine = argument;
  for (int round = 0; round < 3; round++) {
    barque_error *err = NULL;
    barque_output *output = NULL;
    int code = barque_container_run(
        engine,
        "{\"Create\":{\"Image\":\"testbox\",\"Cmd\":[\"report\",\"fds\",\"signals\",\"ids\",\"cwd\",\"env\",\",\",\"exit\",\"7\"],"
        "\"HostConfig\":{\"NetworkMode\":\"none\",\"AutoRemove\":true}}}",
        SIZE_MAX, NULL, &output, &err);
    if (code != BARQUE_OK) {
      tell("run: %s", barque_error_message(err));
    } else {
      size_t length = barque_output_stdout_length(output);
      char *text = malloc(length + 1);
      memcpy(text, barque_output_stdout(output), length);
      text[length] = 0;
      if (barque_output_exit_code(output) != 7) tell("exit code %d", barque_output_exit_code(output));
      if (!strstr(text, "\"umask\":\"0022\"")) tell("the container's umask: %s", text);
      if (!strstr(text, "\"blocked\":[]")) tell("signals are blocked in the container: %s", text);
      /* SIGPIPE is ignored by the program itself, which is in Rust. */
      if (!strstr(text, "\"ignored\":[13]")) tell("signals are ignored in the container: %s", text);
      if (strstr(text, "\"fd\":3")) tell("the container has more than three descriptors: %s", text);
      if (strstr(text, "HOST_SECRET")) tell("the container has the host's environment: %s", text);
      free(text);
    }
    barque_output_free(output);
    barque_error_free(err);
  }
  return NULL;
}

static void reap_all(int signal_number) {
  int saved = errno;
  (void)signal_number;
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  errno = saved;
}

static void alarm_handler(int signal_number) { (void)signal_number; }

static void odd_state(const char *mode) {
  if (!strcmp(mode, "sigchld-ignored")) signal(SIGCHLD, SIG_IGN);
  if (!strcmp(mode, "sigchld-reaped")) signal(SIGCHLD, reap_all);
  if (!strcmp(mode, "sigpipe-default")) signal(SIGPIPE, SIG_DFL);
  if (!strcmp(mode, "sigpipe-ignored")) signal(SIGPIPE, SIG_IGN);
  if (!strcmp(mode, "signals-ignored"))
    for (int n = 1; n <= 64; n++) signal(n, SIG_IGN);
  if (!strcmp(mode, "inherited-descriptors"))
    for (int n = 0; n < 100; n++)
      if (open("/", O_RDONLY | O_DIRECTORY) < 0) _exit(98);
  if (!strcmp(mode, "umask-0777")) umask(0777);
  if (!strcmp(mode, "umask-0")) umask(0);
  if (!strcmp(mode, "standard-descriptors-closed")) {
    close(0);
    close(1);
    close(2);
  }
  if (!strcmp(mode, "working-directory-deleted")) {
    char place[] = "/tmp/host-XXXXXX";
    if (!mkdtemp(place) || chdir(place) || rmdir(place)) _exit(98);
  }
  if (!strcmp(mode, "signals-blocked")) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
  }
  if (!strcmp(mode, "alarm-storm")) {
    struct sigaction action = {0};
    action.sa_handler = alarm_handler;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval storm = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &storm, NULL);
  }
  if (!strcmp(mode, "few-descriptors")) {
    struct rlimit few = {96, 96};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  if (!strcmp(mode, "eight-descriptors")) {
    struct rlimit eight = {8, 8};
    setrlimit(RLIMIT_NOFILE, &eight);
  }
  if (!strcmp(mode, "strange-environment")) {
    clearenv();
    setenv("HOST_SECRET", "canary", 1);
    setenv("LC_ALL", "tr_TR.UTF-8", 1);
    setenv("TZ", ":/not/there", 1);
    setenv("TMPDIR", "/not/there", 1);
    setlocale(LC_ALL, "");
  }
  if (!strcmp(mode, "standard-output-nonblocking")) fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
}

/* Fork with an open engine: the child is refused and harms nothing, the parent goes on. */
static void fork_with(barque_engine *engine) {
  pid_t child = fork();
  if (child == 0) {
    barque_error *err = NULL;
    char *out = NULL;
    int code = barque_container_list(engine, NULL, NULL, &out, &err);
    if (code == BARQUE_OK) _exit(1);
    barque_error_free(err);
    barque_engine_free(engine);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) == child && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
    tell("a forked child: status %x", status);
}

/* The host becomes somebody else with its engine open: what it may not do any more is told, and it ends in order. */
static int without_rights(barque_engine *engine) {
  barque_error *err = NULL;
  barque_output *output = NULL;
  if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) _exit(95);
  int code = barque_container_run(engine, "{\"Create\":{\"Image\":\"testbox\",\"Cmd\":[\"exit\",\"7\"]}}", 0, NULL, &output, &err);
  tell("%d %s", code, barque_error_message(err));
  barque_output_free(output);
  barque_error_free(err);
  barque_engine_free(engine);
  return 0;
}

/* A joined thread leaves the list a moment later. */
static int threads_settle(int expected) {
  int now = count("/proc/self/task");
  for (int n = 0; n < 1000 && now != expected; n++) {
    usleep(10000);
    now = count("/proc/self/task");
  }
  return now;
}

int main(int argc, char **argv) {
  if (argc != 5) return 97;
  const char *mode = argv[1];
  /* What whoever runs the tests happened to leave open is none of this test's. */
  if (close_range(3, ~0U, 0)) return 96;
  int opened = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  report_fd = fcntl(opened, F_DUPFD_CLOEXEC, 90);
  close(opened);
  engine_root = argv[3];
  run_directory = argv[4];
  odd_state(mode);

  static struct picture before, after;
  take(&before);
  barque_engine *engine = NULL;
  barque_error *err = NULL;
  if (barque_engine_open(engine_root, run_directory, &engine, &err) != BARQUE_OK) {
    tell("open: %s", barque_error_message(err));
    return 1;
  }
  use(engine);
  if (!strcmp(mode, "rights-dropped")) return without_rights(engine);
  int idle = threads_settle(before.threads);
  if (idle != before.threads) tell("while idle %d threads became %d", before.threads, idle);
  if (!strcmp(mode, "fork-after-open")) fork_with(engine);
  pthread_t threads[4];
  for (int n = 0; n < 4; n++) pthread_create(&threads[n], NULL, use, engine);
  for (int n = 0; n < 4; n++) pthread_join(threads[n], NULL);
  barque_engine_free(engine);
  threads_settle(before.threads);
  take(&after);
  compare(&before, &after);
  return 0;
}
