# Made by magik build: the runtime, its C++ API and a sample program, for target @target.
#
#   make                                           the sample program and the libraries
#   make build_type=release|profile|debug|nmem     a variant; `make build_type=X clean` removes it
#   make shared                                    the shared libraries too
#   make flags                                     prints how to compile a program of your own
