#include "base/background.h"

#include <pthread.h>
#include <sched.h>

void background_enter(void)
{
    const struct sched_param lowest = {.sched_priority = 0};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &lowest);
}

bool background_is_entered(void)
{
    struct sched_param param;
    int policy = SCHED_OTHER;
    return pthread_getschedparam(pthread_self(), &policy, &param) == 0 && policy == SCHED_IDLE;
}
