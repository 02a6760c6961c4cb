/* The three functions that C programs have. */
#include "common/common_inf_c.h"

int trio(void);

int trio(void)
{
    return magik_venus_check() != 0 || magik_venus_init(0) != 0 || magik_venus_deinit() != 0;
}
