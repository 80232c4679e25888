# What one does with a clone of canalR. `make` alone tells; GNU make.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps install demo demo-trixie test test-trixie bench lint format docs site tidy coverage \
  fuzz faults sanitize check bioccheck clean

# A bare machine has no locale; R needs UTF-8 for its messages and ours.
export LC_ALL := $(if $(filter Darwin,$(shell uname -s)),en_US.UTF-8,C.UTF-8)

# OpenMP's threads wait at barriers by spinning. Beside a second pool of threads (a pthread BLAS) or
# any busy process they take the cores from those that work: training then ran 20 times slower. R
# reads this at its start only, so it cannot be set from within.
export OMP_WAIT_POLICY := passive

export R_LIBS := $(CURDIR)/.Rlib$(if $(R_LIBS),:$(R_LIBS))

help:
	@echo "make demo     install what is missing, build canalR, annotate a stream of pancreas data"
	@echo "make test     the same, then all tests of the engine and of the R package"
	@echo "make test-trixie   the tests on Debian 13, which it installs in .build/ (4 GB; needs root)"
	@echo "make faults   full disks, lost rights, kills, damaged files, want of memory, Ctrl-C"
	@echo "make bench    time canalR and a plain PyTorch program of the same network: bench/results.md"
	@echo "make install  build canalR into .Rlib/ in this folder"
	@echo "make deps     install what is missing (Debian and Ubuntu; needs root or sudo only then)"
	@echo "make lint     check the style of R and C++ code and that generated files are up to date"
	@echo "make format   lay out the C++ code as clang-format wants it"
	@echo "make docs     write NAMESPACE, man/ and the Rcpp glue again from the sources"
	@echo "make site     build the web site of README, guides and help pages: docs/index.html"
	@echo "make tidy     clang-tidy on the C++ code that has changed"
	@echo "make coverage which lines the tests run, by folder: .build/coverage"
	@echo "make fuzz     a million hostile files for each reader of files: .build/fuzz/results.md"
	@echo "make sanitize memory and threads: ASan, UBSan, TSan, valgrind, gctorture: .build/sanitize"
	@echo "make check    R CMD build and R CMD check --as-cran"
	@echo "make bioccheck R CMD build and BiocCheck"
	@echo "make clean    remove everything that was built"

deps:
	@tools/deps.sh test

install:
	@tools/deps.sh demo
	@tools/install.sh

demo: install
	@tools/demo.sh $(DEMO_ARGS)

test:
	@tools/deps.sh test
	@tools/install.sh
	@tools/test.sh

# Debian 13 inside .build/: R 4.5, LibTorch 2.6, Seurat 5.
test-trixie:
	@tools/trixie.sh

demo-trixie:
	@tools/trixie.sh -- make -s demo DEMO_ARGS="$(DEMO_ARGS)"

# FAULTS_ARGS=--quick for a trial of two minutes, or the parts to run: "reads interrupts".
faults:
	@tools/deps.sh test
	@tools/install.sh
	@tools/faults.sh $(FAULTS_ARGS)

# BENCH_ARGS=--quick for a trial.
bench:
	@tools/deps.sh bench
	@tools/install.sh
	@Rscript bench/table.R $(BENCH_ARGS)

lint:
	@tools/deps.sh lint
	@tools/install.sh
	@tools/lint.sh

format:
	@tools/deps.sh lint
	@tools/format.sh -i

docs:
	@tools/deps.sh lint
	@tools/docs.sh .

# Without network, and its pages load nothing from elsewhere.
site:
	@tools/deps.sh site
	@tools/install.sh
	@tools/site.sh

# TIDY_ARGS=--quick for the files without LibTorch's headers, or names of files.
tidy:
	@tools/deps.sh tidy
	@tools/install.sh
	@tools/tidy.sh $(TIDY_ARGS)

# COVERAGE_ARGS=engine or r for one half.
coverage:
	@tools/deps.sh coverage
	@tools/coverage.sh $(COVERAGE_ARGS)

# FUZZ_RUNS=20000 FUZZ_SECONDS=6 for a trial, FUZZ_TARGETS="pickle zip" for some; see the script.
fuzz:
	@tools/deps.sh fuzz
	@tools/fuzz.sh

# SANITIZE_ARGS=--quick for a short form, or the names of some checks.
sanitize:
	@tools/deps.sh sanitize
	@tools/install.sh
	@tools/sanitize.sh $(SANITIZE_ARGS)

check:
	@tools/deps.sh check
	@tools/check.sh

bioccheck:
	@tools/deps.sh bioccheck
	@tools/bioccheck.sh

clean:
	@./cleanup
	rm -rf .Rlib .build demo-output docs canalR.Rcheck canalR_*.tar.gz
