#   make CROSS_COMPILE=PREFIX libtype=muclibc      a toolchain by its prefix; any other libtype is glibc
#   make ZIG="python3 -m ziglang"                  zig as the compiler: static programs, musl

name = @name
build_type ?= release
@defaults

ifdef ZIG
libtype ?= musl
CC = $(ZIG) cc
CXX = $(ZIG) c++
AR = $(ZIG) ar
arch = @zig_flags
link = @zig_link
msa = @zig_msa
else
CROSS_COMPILE ?= $(firstword $(foreach p,mips-linux-gnu- mipsel-linux-gnu-,\
  $(if $(shell command -v $(p)g++ 2>/dev/null),$(p))) mips-linux-gnu-)
CC = $(CROSS_COMPILE)gcc
CXX = $(CROSS_COMPILE)g++
AR = $(CROSS_COMPILE)ar
msa = @vendor_msa
ifeq ($(notdir $(CROSS_COMPILE)),mipsel-linux-gnu-)
libtype ?= glibc
arch = @debian_flags
# in the place of -mno-shared
pic_shared = -mshared
link = @debian_link
# Debian's C library has the older NaNs, so its linker cannot say NaN-2008 (bit 2 of byte 37); the kernels make none
mark = @mark
else
libtype ?= $(if $(filter mips-linux-gnu-,$(notdir $(CROSS_COMPILE))),muclibc,glibc)
pic ?= -fPIC
arch = @vendor_flags $(if $(filter muclibc,$(libtype)),-muclibc)
link = @vendor_link
endif
endif
