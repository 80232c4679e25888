#include "engine/runtime.h"

#include <ATen/Context.h>
#include <H5public.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "engine/runtime/blas.h"

namespace canal {

namespace {

const pid_t loaded_in = getpid();

// What OMP_NUM_THREADS says, its first number; 0 where it says nothing. Read at each call, as it is
// set for the workers of a team, which share out the cores of their machine.
int threads_of_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  return text == nullptr ? 0 : std::max(0, std::atoi(text));
}

int core_count() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "unknown";
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace

RuntimeInfo runtime_info() {
  return {TORCH_VERSION, hdf5_version(), blas_functions().kind, core_count(), at::hasCUDA()};
}

namespace {

// A number in a file of the system; -1 where there is none ("max" included).
int64_t number_in(const char* path) {
  std::ifstream file(path);
  int64_t number = -1;
  return file >> number ? number : -1;
}

// What a container's limit leaves; -1 without one.
int64_t left_by_container() {
  const int64_t limit = number_in("/sys/fs/cgroup/memory.max");
  const int64_t used = number_in("/sys/fs/cgroup/memory.current");
  return limit < 0 || used < 0 ? -1 : std::max<int64_t>(0, limit - used);
}

// What the machine has free; where that is not easily told (macOS), a quarter of all there is.
int64_t left_by_machine() {
  std::ifstream facts("/proc/meminfo");
  for (std::string line; std::getline(facts, line);)
    if (line.compare(0, 13, "MemAvailable:") == 0) return std::stoll(line.substr(13)) * 1024;
  return sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 4;
}

// Whether this process was forked off the one that had loaded the engine: OpenMP's threads of that
// one are gone here, and would be waited for for ever.
bool in_fork() { return getpid() != loaded_in; }

}  // namespace

int64_t free_memory() {
  const int64_t container = left_by_container();
  return container < 0 ? left_by_machine() : std::min(container, left_by_machine());
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

int usable_threads(int requested) {
  if (in_fork()) return 1;
  if (requested < 1) requested = threads_of_environment();
  return requested < 1 ? core_count() : std::min(requested, core_count());
}

}  // namespace canal
