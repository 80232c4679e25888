#include "engine/errors.h"

#include <c10/util/Exception.h>

#include <new>

namespace canal {

ErrorReport describe_current_exception() {
  try {
    throw;
  } catch (const Cancelled&) {
    return {ErrorKind::internal, "cancelled", true};
  } catch (const Error& error) {
    return {error.kind(), error.what(), false};
  } catch (const c10::Error& error) {
    return {ErrorKind::internal, std::string("LibTorch: ") + error.what_without_backtrace(), false};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::internal, "Not enough memory.", false};
  } catch (const std::exception& error) {
    return {ErrorKind::internal, error.what(), false};
  } catch (...) {
    return {ErrorKind::internal, "An error of unknown kind in the engine.", false};
  }
}

}  // namespace canal
