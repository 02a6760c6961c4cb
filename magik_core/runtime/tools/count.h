/* What a program and the plugin count.c agree on. */
#ifndef MAGIK_COUNT_H
#define MAGIK_COUNT_H

enum { COUNT_MARK = -770077 }; /* no file has this number: closing it does nothing */

#endif
