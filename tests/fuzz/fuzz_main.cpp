// One program per target: FUZZ_TARGET is its name. Memory is watched byte by byte, so that whatever
// asks for more than its file can justify ends here, with the stack of whoever asked.
#include <sanitizer/allocator_interface.h>
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apart.h"
#include "checksums.h"
#include "targets.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace canal_fuzz;

// HDF5 frees what it took before; only what is taken while a target runs counts.
struct Meter {
  bool on = false;
  int64_t held = 0;
  int64_t most = 0;
};
Meter meter;

void taken(const volatile void*, size_t size) {
  if (!meter.on) return;
  meter.held += static_cast<int64_t>(size);
  if (meter.held <= meter.most) return;
  meter.on = false;
  std::fprintf(stderr, "MEMORY: %lld bytes at once, where the input allows %lld\n",
               static_cast<long long>(meter.held), static_cast<long long>(meter.most));
  __sanitizer_print_stack_trace();
  std::abort();
}

void given_back(const volatile void* at) {
  if (meter.on && __sanitizer_get_ownership(at) != 0) {
    meter.held -= static_cast<int64_t>(__sanitizer_get_allocated_size(at));
  }
}

const Target& chosen() {
  static const Target& found = target(FUZZ_TARGET);
  return found;
}

void run_metered(std::string_view input) {
  const std::string made = chosen().make != nullptr ? chosen().make(input) : std::string();
  const std::string_view bytes = chosen().make != nullptr ? std::string_view(made) : input;
  meter = {true, 0, static_cast<int64_t>(chosen().constant + chosen().per_byte * bytes.size())};
  chosen().run(bytes);
  meter.on = false;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  chosen();
  return __sanitizer_install_malloc_and_free_hooks(taken, given_back) > 0 ? 0 : 1;
}

// FUZZ_KEPT: the folder for what ends a target that runs apart. Without it, as where an input is
// tried again, all run here.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const char* folder = std::getenv("FUZZ_KEPT");
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (chosen().apart && folder != nullptr) {
    run_apart(bytes, run_metered, folder);
  } else {
    run_metered(bytes);
  }
  return 0;
}

// A changed zip file gets right checksums three times out of four.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  const size_t changed = LLVMFuzzerMutate(data, size, max_size);
  const bool zipped = std::strcmp(chosen().name, "checkpoint") == 0;
  if (zipped && seed % 4 != 0) mend_checksums(reinterpret_cast<char*>(data), changed);
  return changed;
}
