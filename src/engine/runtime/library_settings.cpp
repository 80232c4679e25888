#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>  // for AT_PARALLEL_OPENMP
#include <ATen/core/Tensor.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/GradMode.h>
#if AT_PARALLEL_OPENMP
#include <omp.h>
#endif

#include <cfenv>
#include <limits>
#include <mutex>

#include "engine/runtime.h"
#include "engine/runtime/blas.h"

namespace canal {

namespace {

// Of this thread: the smallest normal number halved is 0 where it does.
bool flushes_denormals() {
  volatile float smallest = std::numeric_limits<float>::min();
  smallest = smallest / 2;
  return smallest == 0;
}

// FNV-1a over the state of LibTorch's own generator.
uint64_t generator_digest() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  const at::Tensor state = generator.get_state();
  uint64_t hash = 0xcbf29ce484222325u;
  const uint8_t* bytes = state.data_ptr<uint8_t>();
  for (int64_t i = 0; i < state.numel(); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

}  // namespace

LibrarySettings library_settings() {
  LibrarySettings settings;
#if AT_PARALLEL_OPENMP
  settings.openmp_threads = omp_get_max_threads();
#endif
  const OneThread here;
  const BlasFunctions& blas = blas_functions();
  if (blas.get_threads != nullptr) settings.blas_threads = blas.get_threads();
  settings.number_type = c10::toString(c10::get_default_dtype_as_scalartype());
  settings.gradients = at::GradMode::is_enabled();
  settings.deterministic = at::globalContext().deterministicAlgorithms();
  settings.flushes_denormals = flushes_denormals();
  settings.rounding = std::fegetround();
  settings.generator = generator_digest();
  return settings;
}

}  // namespace canal
