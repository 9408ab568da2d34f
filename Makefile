# make            build/shortlistd
# make unit       unit tests of every folder (make unit-math: of one), corpus replay
# make check      everything; installs what it needs
# BUILD=dir keeps several builds apart; SAN=address|thread builds with sanitizers.
BUILD ?= build
CC = gcc
PG_CONFIG ?= pg_config
PKGS = glib-2.0 libmicrohttpd libcjson libpq uuid libxxhash libsodium libsystemd
CFLAGS_BASE = -std=gnu11 -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wno-unused-parameter \
	-fno-omit-frame-pointer -D_GNU_SOURCE -Iinclude $(shell pkg-config --cflags $(PKGS)) \
	-I/usr/include/x86_64-linux-gnu/openblas-pthread
OPT = -O2
ifeq ($(SAN),address)
OPT = -O1
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(SAN),thread)
OPT = -O1
SANFLAGS = -fsanitize=thread
endif
CFLAGS ?= $(OPT)
ALL_CFLAGS = $(CFLAGS_BASE) $(CFLAGS) $(SANFLAGS) -MMD -MP
LDLIBS = $(shell pkg-config --libs $(PKGS)) -l:libopenblas.so.0 -lpthread -lm
# OpenBLAS's pthread variant, one thread: parallelism is ours (docs/ARCHITECTURE.md).
LDFLAGS += -L/usr/lib/x86_64-linux-gnu/openblas-pthread $(SANFLAGS) -rdynamic
export OPENBLAS_NUM_THREADS = 1
export G_SLICE = always-malloc

FOLDERS = base math spec http data store learn index jobs api
SRC = $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.c))
OBJ = $(SRC:src/%.c=$(BUILD)/%.o)
UNIT = $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))

all: $(BUILD)/shortlistd

$(BUILD)/shortlistd: $(OBJ) $(BUILD)/main.o
	$(CC) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# A unit test names its folder in its file name, tests/unit/test_<folder>_<module>.c, and links
# that folder and the ones it may include, with what they link in turn (tests/layers.txt).
layers_of = $(shell awk -F: -v f=$(1) '!/^\#/ && $$1 == f {print $$2}' tests/layers.txt)
closure = $(sort $(1) $(foreach g,$(call layers_of,$(1)),$(g) $(call layers_of,$(g))))
folder_of = $(firstword $(subst _, ,$(1)))
objects_of = $(foreach g,$(call closure,$(1)),$(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$(g)/*.c)))

define unit_rule
$(BUILD)/unit/$(1): tests/unit/test_$(1).c $(call objects_of,$(call folder_of,$(1)))
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) -Isrc -o $$@ $$^ $$(LDFLAGS) $$(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

unit: $(UNIT:%=$(BUILD)/unit/%)
	@set -e; for t in $^; do $$t; done

unit-%:
	@set -e; for t in $(filter $*_%,$(UNIT)); do \
		$(MAKE) --no-print-directory BUILD=$(BUILD) SAN=$(SAN) $(BUILD)/unit/$$t; $(BUILD)/unit/$$t; done

clean:
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(BUILD)/main.d $(UNIT:%=$(BUILD)/unit/%.d)
.PHONY: all unit clean
.SECONDARY:
