# make            build/shortlistd
# make unit       unit tests of every folder (make unit-math: of one), corpus replay
# make check      everything but fuzz and bench; installs what it needs
# make demo       the walk-through on real data; make demo-stop removes it
# make bench      ratios against a peer, a baseline or the machine; make fuzz searches further
# BUILD=dir keeps several builds apart; SAN=address|thread builds with sanitizers.
BUILD ?= build
CC = gcc
# V=1 prints whole commands.
Q = $(if $(V),,@echo "  make $@";)
PG_CONFIG ?= pg_config
PKGS = glib-2.0 libmicrohttpd libcjson libpq uuid libxxhash libsodium nettle libsystemd
CFLAGS_BASE = -std=gnu11 -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wno-unused-parameter \
	-fno-omit-frame-pointer -D_GNU_SOURCE -Iinclude $(shell pkg-config --cflags $(PKGS)) \
	-I/usr/include/x86_64-linux-gnu/openblas-pthread
OPT = -O2
ifeq ($(SAN),address)
# Sorting and heaps call them all the time: a quarter of some tests.
OPT = -O1 -finline-small-functions -fpartial-inlining
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(SAN),thread)
OPT = -O1
SANFLAGS = -fsanitize=thread
endif
CFLAGS ?= $(OPT)
ALL_CFLAGS = $(CFLAGS_BASE) $(CFLAGS) $(SANFLAGS) -MMD -MP
LDLIBS = $(shell pkg-config --libs $(PKGS)) -l:libopenblas.so.0 -lxgboost -lpthread -lm
# OpenBLAS's pthread variant, one thread: parallelism is ours (docs/ARCHITECTURE.md).
LDFLAGS += -L/usr/lib/x86_64-linux-gnu/openblas-pthread $(SANFLAGS) -rdynamic
export OPENBLAS_NUM_THREADS = 1
export G_SLICE = always-malloc

FOLDERS = base math spec http data store learn index jobs api
SRC = $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.c))
OBJ = $(SRC:src/%.c=$(BUILD)/%.o)
UNIT = $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))

all: $(BUILD)/shortlistd

$(BUILD)/shortlistd: $(OBJ) $(BUILD)/main.o $(BUILD)/openapi.o
	$(Q)$(CC) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/openapi.json: openapi/openapi.yaml
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open("$<")), sys.stdout)' >$@.part
	@mv $@.part $@

$(BUILD)/openapi.o: src/openapi.S $(BUILD)/openapi.json
	$(Q)$(CC) -DOPENAPI_PATH='"$(BUILD)/openapi.json"' -c -o $@ $<

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/store/migrate.o: $(wildcard src/store/schema/*.sql)

# A unit test names its folder in its file name, tests/unit/test_<folder>_<module>.c, and links
# that folder and the ones it may include, with what they link in turn (tests/layers.txt).
layers_of = $(shell awk -F: -v f=$(1) '!/^\#/ && $$1 == f {print $$2}' tests/layers.txt)
closure = $(sort $(1) $(foreach g,$(call layers_of,$(1)),$(g) $(call layers_of,$(g))))
folder_of = $(firstword $(subst _, ,$(1)))
objects_of = $(foreach g,$(call closure,$(1)),$(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$(g)/*.c)))

define unit_rule
$(BUILD)/unit/$(1): tests/unit/test_$(1).c $(call objects_of,$(call folder_of,$(1)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -Isrc -o $$@ $$(filter %.c %.o,$$^) $$(LDFLAGS) $$(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

# All of them run, two at a time, even when one fails; each has its say in one piece.
unit: $(UNIT:%=$(BUILD)/unit/%)
	@rm -f $(^:%=%.failed); printf '%s\n' $^ | xargs -P 2 -I @ sh -c '@ >@.log 2>&1 || touch @.failed'
	@cat $(^:%=%.log); bad=$$(ls $(^:%=%.failed) 2>/dev/null); [ -z "$$bad" ] || { echo "failed:" $$bad; exit 1; }

unit-%:
	@set -e; for t in $(filter $*_%,$(UNIT)); do \
		$(MAKE) --no-print-directory BUILD=$(BUILD) SAN=$(SAN) $(BUILD)/unit/$$t; $(BUILD)/unit/$$t; done

# Tests of store/ and jobs/ against a real PostgreSQL; tests/store/run starts a private one.
STORE_TESTS = $(patsubst tests/store/test_%.c,$(BUILD)/store-tests/%,$(wildcard tests/store/test_*.c))

$(BUILD)/store-tests/%: tests/store/test_%.c $(OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Isrc -o $@ $(filter %.c %.o,$^) $(LDFLAGS) $(LDLIBS) -lcmocka

store-tests: $(STORE_TESTS)
	tests/store/run $^

# Every parser of outside bytes: the corpus replayed here, searched further by `make fuzz`.
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60

$(BUILD)/replay/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Isrc -o $@ $(filter %.c %.o,$^) $(LDFLAGS) $(LDLIBS)

corpus: $(FUZZERS:%=$(BUILD)/replay/%)
	@set -e; for f in $(FUZZERS); do $(BUILD)/replay/$$f tests/fuzz/corpus/$$f/*; done

FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c $(SRC)
	@mkdir -p $(@D)
	$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz-objects CC=clang CFLAGS='-O1 $(FUZZ_FLAGS)' \
		$(SRC:src/%.c=$(BUILD)/fuzz-objects/%.o)
	clang $(CFLAGS_BASE) -O1 $(FUZZ_FLAGS) -fsanitize=fuzzer -Isrc -o $@ $< \
		$(SRC:src/%.c=$(BUILD)/fuzz-objects/%.o) $(LDFLAGS) $(LDLIBS)

fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@set -e; for f in $(FUZZERS); do mkdir -p $(BUILD)/corpus/$$f; \
		$< -help=1 >/dev/null 2>&1; $(BUILD)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 \
		-print_final_stats=0 $(BUILD)/corpus/$$f tests/fuzz/corpus/$$f; done

layers:
	@tests/layers

FORMATTED = $(shell find src include tests -name '*.[ch]')
format:
	@clang-format-14 --dry-run -Werror $(FORMATTED) && echo "format: ok"

tidy:
	@printf '%s\n' $(SRC) src/main.c | xargs -P 2 -n 8 sh -c 'clang-tidy-14 --quiet \
		--warnings-as-errors="*" "$$@" -- $(CFLAGS_BASE) 2>/dev/null' clang-tidy
	@cppcheck --quiet --error-exitcode=1 -j 2 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --suppress=unknownMacro -Iinclude src
	@echo "tidy: ok"

# Black box: the real binary with sanitizers, a real PostgreSQL, every answer held against openapi/.
api: all
	SHORTLISTD=$(abspath $(BUILD))/shortlistd /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		-n 2 --dist loadfile tests/api

asan:
	$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address unit corpus store-tests

asan-build:
	$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address all $(UNIT:%=$(BUILD)/asan/unit/%) \
		$(FUZZERS:%=$(BUILD)/asan/replay/%) \
		$(patsubst tests/store/test_%.c,$(BUILD)/asan/store-tests/%,$(wildcard tests/store/test_*.c))

# Quality on real data: exits with a failure when a figure leaves its tolerance.
GOLDEN_DATA = demo/data/online_retail.csv.xz
GOLDEN_READERS = $(filter-out tests/golden/golden_%.c,$(wildcard tests/golden/*.c))
$(BUILD)/golden/%: tests/golden/golden_%.c $(GOLDEN_READERS) $(wildcard tests/golden/*.h) $(OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Isrc -o $@ $(filter %.c %.o,$^) $(LDFLAGS) $(LDLIBS)

golden: $(BUILD)/golden/online_retail
	xz -dc $(GOLDEN_DATA) | $<

# All of them, the learned ranker too, and what the engine chooses on sets of several shapes; those
# that are not shipped are looked for in the folder $$SHORTLIST_QUALITY_DATA. Some minutes.
quality: golden $(BUILD)/golden/ranked $(BUILD)/golden/levels $(BUILD)/golden/sets
	$(BUILD)/golden/ranked $(GOLDEN_DATA)
	$(BUILD)/golden/levels $(GOLDEN_DATA)
	$(BUILD)/golden/sets

# Threads: pools, workers, register, parallel loops.
THREADED = base_grace http_life http_server math_parallel index_register
tsan:
	$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread tsan-run
tsan-run: $(THREADED:%=$(BUILD)/unit/%) $(BUILD)/store-tests/jobs_workers $(BUILD)/store-tests/jobs_restart
	@set -e; for t in $(THREADED); do $(BUILD)/unit/$$t; done
	tests/store/run $(BUILD)/store-tests/jobs_workers $(BUILD)/store-tests/jobs_restart

check:
	deploy/packages build check
	@tests/check

# Ratios, recorded and not gated.
BENCHES = $(patsubst tests/bench/bench_%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))

$(BUILD)/bench/%: tests/bench/bench_%.c $(OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Isrc -o $@ $(filter %.c %.o,$^) $(LDFLAGS) $(LDLIBS)

bench: all $(BENCHES)
	deploy/packages build bench
	G_SLICE= tests/bench/run

demo:
	@demo/demo.sh

demo-stop:
	@demo/demo.sh stop

clean:
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(BUILD)/main.d $(UNIT:%=$(BUILD)/unit/%.d) $(wildcard $(BUILD)/store-tests/*.d)
.PHONY: all unit store-tests corpus fuzz layers format tidy api asan asan-build tsan tsan-run golden quality check demo \
	demo-stop bench clean
.SECONDARY:
