
@types

ifeq ($(filter release profile debug nmem,$(build_type)),)
$(error build_type is $(build_type): release, profile, debug or nmem)
endif
kind = $(if $(filter muclibc,$(libtype)),uclibc,$(libtype))
program = venus_$(name)_bin_$(kind)_$(build_type)
lib = lib/$(kind)
obj = obj/$(kind)_$(build_type)$(if $(findstring -fPIC,$(pic)),_pic)
library = $(lib)/libvenus$(suffix_$(build_type))
flags = $(arch) @common $(pic) @includes $(defines_$(build_type))

sources = @sources
objects = $(addprefix $(obj)/,$(addsuffix .o,$(basename $(sources))))
aliases = $(foreach name,@aliases,$(lib)/lib$(name).a)

.PHONY: all shared flags clean
all: $(program)
shared: all
	$(MAKE) pic="-fPIC $(pic_shared)" $(library).so $(aliases:.a=.so)

own_cxx = $(CXX) @own_cxx $(arch) $(defines_$(build_type)) -Iinclude own.cc $(library).a $(link) -o own
own_c = $(CC) @own_c $(arch) -Iinclude own.c $(library).a $(link) -lm -o own
flags:
	@: $(foreach line,own_cxx own_c mark,$(if $($(line)),$(info $(strip $(call $(line),own)))))

@own

$(program): sample.cc $(library).a $(aliases)
	$(CXX) $(flags) @cxx sample.cc $(library).a $(link) -Wl,--gc-sections -s -o $@
	$(call mark,$@)

$(library).a: $(objects)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

$(library).so: $(objects)
	$(CXX) $(arch) -shared -Wl,--gc-sections -s $^ $(filter -pthread,$(link)) -o $@

$(aliases): $(obj)/empty.o
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

$(aliases:.a=.so): $(obj)/empty.o
	$(CC) $(arch) -shared $^ -o $@

$(obj)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(flags) @c $(own) -c $< -o $@

$(obj)/%.o: src/%.cc
	@mkdir -p $(@D)
	$(CXX) $(flags) @cxx $(own) -c $< -o $@

clean:
	rm -rf $(obj) $(obj)_pic $(program) $(library).a $(library).so
