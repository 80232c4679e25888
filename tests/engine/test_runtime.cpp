// What the engine finds out about the libraries it runs on, and what it says of errors.
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <new>

#include "engine/errors.h"
#include "engine/runtime.h"
#include "engine/runtime/blas.h"
#include "engine/runtime/blas_speed.h"

TEST(Blas, OnlyAnUnknownOneThatIsSlowCountsAsSlow) {
  EXPECT_TRUE(canal::is_slow_blas("unknown", 4.8));
  EXPECT_TRUE(canal::is_slow_blas("unknown", 14.9));
  EXPECT_FALSE(canal::is_slow_blas("unknown", 15));
  EXPECT_FALSE(canal::is_slow_blas("unknown", 106));
  EXPECT_FALSE(canal::is_slow_blas("openblas-pthread", 0));
  EXPECT_FALSE(canal::is_slow_blas("mkl", 0));
}

// Which BLAS it is depends on the machine; that the parts of the report agree does not.
TEST(Blas, TheReportMeasuresWhatIsUnknownOnly) {
  const canal::BlasReport& report = canal::blas_report();
  EXPECT_EQ(report.kind, canal::runtime_info().blas);
  EXPECT_EQ(report.gflops > 0, report.kind == "unknown");
  EXPECT_EQ(report.slow, canal::is_slow_blas(report.kind, report.gflops));
  EXPECT_EQ(&report, &canal::blas_report());
}

TEST(Blas, OpenBlasCanBeHeldToOneThread) {
  const canal::BlasFunctions& blas = canal::blas_functions();
  if (blas.kind.rfind("openblas", 0) != 0) GTEST_SKIP() << "LibTorch runs on another BLAS";
  EXPECT_NE(blas.set_threads, nullptr);
  EXPECT_NE(blas.get_threads, nullptr);
  EXPECT_FALSE(blas.library.empty());
}

TEST(Threads, WithoutANumberTheEnvironmentSaysHowMany) {
  const char* before = std::getenv("OMP_NUM_THREADS");
  const std::string kept = before == nullptr ? "" : before;
  const int cores = canal::runtime_info().cores;
  setenv("OMP_NUM_THREADS", "1", 1);
  EXPECT_EQ(canal::usable_threads(0), 1);
  EXPECT_EQ(canal::usable_threads(cores), cores);
  setenv("OMP_NUM_THREADS", "100000", 1);
  EXPECT_EQ(canal::usable_threads(0), cores);
  for (const char* nothing : {"", "0", "many"}) {
    setenv("OMP_NUM_THREADS", nothing, 1);
    EXPECT_EQ(canal::usable_threads(0), cores);
  }
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(canal::usable_threads(0), cores);
  if (before != nullptr) setenv("OMP_NUM_THREADS", kept.c_str(), 1);
}

TEST(Memory, WhatIsFreeIsPartOfWhatThereIs) {
  const int64_t all = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  EXPECT_GE(canal::free_memory(), 0);
  EXPECT_LE(canal::free_memory(), all);
}

canal::ErrorReport report_of(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    return canal::describe_current_exception();
  }
  return {};
}

TEST(Errors, EveryExceptionIsDescribed) {
  const auto own = report_of([] { throw canal::Error(canal::ErrorKind::file, "is cut"); });
  EXPECT_EQ(own.kind, canal::ErrorKind::file);
  EXPECT_EQ(own.message, "is cut");
  EXPECT_FALSE(own.cancelled);
  EXPECT_TRUE(report_of([] { throw canal::Cancelled(); }).cancelled);
  const std::pair<std::function<void()>, std::string> others[] = {
      {[] { throw std::bad_alloc(); }, "Not enough memory."},
      {[] { throw std::runtime_error("a reason"); }, "a reason"},
      {[] { throw 1; }, "An error of unknown kind in the engine."}};
  for (const auto& [work, message] : others) {
    EXPECT_EQ(report_of(work).kind, canal::ErrorKind::internal);
    EXPECT_EQ(report_of(work).message, message);
    EXPECT_FALSE(report_of(work).cancelled);
  }
}

TEST(Errors, LibTorchsComeWithoutTheirBacktrace) {
  const auto report = report_of([] { TORCH_CHECK(false, "sizes differ"); });
  EXPECT_EQ(report.kind, canal::ErrorKind::internal);
  EXPECT_EQ(report.message, "LibTorch: sizes differ");
}
