/* Keeps the load awake: wrk's epoll_wait asks again and again instead of sleeping, so that no server pays
 * for waking the load's core. On virtual machines that costs more than answering does, and only a server
 * that is slower than the load has to. At its end it says how long it had nothing to do.
 *
 * cc -O2 -shared -fPIC -o awake.so awake.c; LD_PRELOAD=./awake.so wrk ...
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double idle;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
  double began = 0;
  for (;;) {
    int ready = syscall(SYS_epoll_pwait, epoll, events, most, 0, NULL, 8);
    if (ready == 0 && timeout != 0) {
      double at = now();
      if (began == 0) began = at;
      if (timeout < 0 || at - began < timeout / 1e3) continue;
      idle += at - began;
      return 0;
    }
    if (began != 0) idle += now() - began;
    return ready;
  }
}

__attribute__((destructor)) static void tell(void) {
  fprintf(stderr, "idle %.6f\n", idle);
}
