
name = @name
build_type ?= release
libtype ?= glibc
CC = cc
CXX = c++
AR = ar
link = -pthread
pic ?= -fPIC
