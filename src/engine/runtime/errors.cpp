#include "engine/errors.h"

#include <c10/util/Exception.h>

#include <new>
#include <system_error>

namespace canal {

namespace {

ErrorReport out_of_memory() {
  return {ErrorKind::memory,
          "Not enough memory. Fewer cells at a time, or fewer threads, need less.", false};
}

// LibTorch has no type of its own for this in all its versions; CPUs' allocator and CUDA's say it
// in these words.
bool is_memory(const std::string& said) {
  return said.find("allocate memory") != std::string::npos ||
         said.find("not enough memory") != std::string::npos ||
         said.find("out of memory") != std::string::npos;
}

}  // namespace

ErrorReport describe_current_exception() {
  try {
    throw;
  } catch (const Cancelled&) {
    return {ErrorKind::internal, "cancelled", true};
  } catch (const Error& error) {
    return {error.kind(), error.what(), false};
  } catch (const c10::Error& error) {
    const std::string said = error.what_without_backtrace();
    if (is_memory(said)) return out_of_memory();
    return {ErrorKind::internal, "LibTorch: " + said, false};
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::system_error& error) {
    // A thread that cannot be started.
    if (error.code() == std::errc::resource_unavailable_try_again) return out_of_memory();
    return {ErrorKind::internal, error.what(), false};
  } catch (const std::exception& error) {
    return {ErrorKind::internal, error.what(), false};
  } catch (...) {
    return {ErrorKind::internal, "An error of unknown kind in the engine.", false};
  }
}

}  // namespace canal
