// What the engine finds out about the libraries it runs on, and what it says of errors.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <new>
#include <system_error>
#include <thread>

#include "engine/errors.h"
#include "engine/runtime.h"
#include "engine/runtime/blas.h"
#include "engine/runtime/blas_speed.h"
#include "engine/runtime/thread_scope.h"

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

// Of a thread that LibTorch has not met, as R's is at first.
TEST(Threads, OpenMpsNumberStaysAsItWas) {
#ifdef _OPENMP
  std::thread([] {
    omp_set_num_threads(5);
    {
      const canal::OneThread here;
      EXPECT_EQ(omp_get_max_threads(), 1);
      EXPECT_EQ(at::get_num_threads(), 1);
    }
    EXPECT_EQ(omp_get_max_threads(), 5);
    omp_set_num_threads(3);
    { const canal::ThreadScope scope(1); }
    EXPECT_EQ(omp_get_max_threads(), 3);
  }).join();
  std::thread([] {
    omp_set_num_threads(5);
    { const canal::ThreadScope scope(1); }
    EXPECT_EQ(omp_get_max_threads(), 5);
    const canal::LibrarySettings settings = canal::library_settings();
    EXPECT_EQ(settings.openmp_threads, 5);
    EXPECT_EQ(settings.number_type, "Float");
    EXPECT_EQ(omp_get_max_threads(), 5);
  }).join();
#else
  GTEST_SKIP() << "built without OpenMP";
#endif
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
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Errors, EveryExceptionIsDescribed) {
  const auto own = report_of([] { throw canal::Error(canal::ErrorKind::file, "is cut"); });
  EXPECT_EQ(own.kind, canal::ErrorKind::file);
  EXPECT_EQ(own.message, "is cut");
  EXPECT_FALSE(own.cancelled);
  EXPECT_TRUE(report_of([] { throw canal::Cancelled(); }).cancelled);
  const std::pair<std::function<void()>, std::string> others[] = {
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

TEST(Errors, WantOfMemoryHasAKindOfItsOwn) {
  const auto kind = [](auto&& work) { return report_of(work).kind; };
  EXPECT_EQ(kind([] { throw std::bad_alloc(); }), canal::ErrorKind::memory);
  EXPECT_EQ(kind([] { at::empty({int64_t{1} << 60}); }), canal::ErrorKind::memory);
  EXPECT_EQ(kind([] { throw std::system_error(EAGAIN, std::system_category(), "no thread"); }),
            canal::ErrorKind::memory);
  EXPECT_EQ(kind([] { throw std::runtime_error("other"); }), canal::ErrorKind::internal);
  EXPECT_EQ(kind([] { at::ones({2}).reshape({3}); }), canal::ErrorKind::internal);
}

TEST(Memory, ThatIsNotToBeHadIsToldBeforeItIsNeeded) {
  canal::require_memory(1 << 20);
  EXPECT_THROW(canal::require_memory(size_t{1} << 60), std::bad_alloc);
}

#ifdef __linux__
// Ends the process with 7 where threads are refused.
void ask_for_threads_without_memory() {
  rlimit none;
  none.rlim_cur = none.rlim_max = 1 << 20;
  setrlimit(RLIMIT_AS, &none);
  try {
    const canal::ThreadScope threads(64);
  } catch (...) {
    _exit(canal::describe_current_exception().kind == canal::ErrorKind::memory ? 7 : 2);
  }
  _exit(1);
}

TEST(Threads, ThatCannotBeStartedAreAnErrorAndNoEndOfTheProcess) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(ask_for_threads_without_memory(), testing::ExitedWithCode(7), "");
}
#endif
