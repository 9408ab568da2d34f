#include "base/background.h"

#include <pthread.h>
#include <sched.h>

void background_enter(void)
{
    const struct sched_param lowest = {.sched_priority = 0};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &lowest);
}
