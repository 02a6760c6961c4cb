/* The library's version: that of the Python package. */
#ifndef VENUS_VERSION_H
#define VENUS_VERSION_H

#define VENUS_MAJOR 0
#define VENUS_MINOR 1
#define VENUS_PATCH 0

#endif
