/* A host with SIGPIPE, SIGCHLD and SIGALRM of its own: they are as they were, and a storm of them breaks nothing. */
#include "check.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;

static void tick(int signal_number)
{
    (void)signal_number;
    alarms++;
}

int main(int argc, char **argv)
{
    struct sigaction action, now, was[32];
    struct itimerval storm;
    sigset_t before, after;
    mode_t mask;
    char here[4096], there[4096];
    int i;

    CHECK(argc == 3);
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    /* Not the defaults: whoever started this may ignore some (nohup does). */
    for (i = 1; i < 32; i++)
        CHECK(sigaction(i, NULL, &was[i]) == 0);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &before) == 0);
    CHECK(getcwd(here, sizeof here) != NULL);
    umask(0777);
    memset(&storm, 0, sizeof storm);
    storm.it_interval.tv_usec = storm.it_value.tv_usec = 1000;
    CHECK(setitimer(ITIMER_REAL, &storm, NULL) == 0);
    for (i = 0; i < 20; i++) {
        barque_engine *engine = NULL;
        barque_error *err = NULL;
        char *out = NULL;
        if (barque_engine_open(argv[1], argv[2], &engine, &err) != BARQUE_OK) {
            fprintf(stderr, "%s\n", barque_error_message(err));
            return 1;
        }
        barque_container_list(engine, NULL, NULL, &out, NULL);
        barque_string_free(out);
        barque_engine_free(engine);
    }
    memset(&storm, 0, sizeof storm);
    setitimer(ITIMER_REAL, &storm, NULL);

    for (i = 1; i < 32; i++) {
        CHECK(sigaction(i, NULL, &now) == 0);
        CHECK(now.sa_handler == was[i].sa_handler);
    }
    CHECK(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
    for (i = 1; i < 32; i++)
        CHECK(sigismember(&before, i) == sigismember(&after, i));
    mask = umask(0);
    CHECK(mask == 0777);
    CHECK(getcwd(there, sizeof there) != NULL);
    CHECK_STR(there, here);
    CHECK(write(STDOUT_FILENO, "", 0) == 0); /* nothing was printed: the test looks */
    return 0;
}
