// What every glue file needs: running engine work under R's rules, and carrying its errors to R.
#pragma once
#include <Rcpp.h>

#include <algorithm>
#include <functional>
#include <type_traits>
#include <vector>

#include "engine/control.h"
#include "engine/runtime.h"

namespace glue {

// Raises the report as a classed R condition (R's `engine_error()`).
[[noreturn]] void raise(const canal::ErrorReport& report);

// Runs short work here, on R's thread.
template <class Work>
auto guarded(Work&& work) -> decltype(work()) {
  const canal::OneThread r_thread;
  canal::ErrorReport report;
  try {
    return work();
  } catch (const Rcpp::exception&) {
    throw;
  } catch (const Rcpp::LongjumpException&) {
    throw;
  } catch (const Rcpp::internal::InterruptedException&) {
    throw;
  } catch (...) {
    report = canal::describe_current_exception();
  }
  raise(report);
}

// A new vector of R's whose values are to be set, or texts "". Where R has no memory for it, what
// the engine holds is given back before R's error goes on: by itself that error runs no destructor.
template <class Vector>
Vector new_vector(R_xlen_t length) {
  return Vector(
      Rcpp::unwindProtect([length] { return Rf_allocVector(Vector::r_type::value, length); }));
}

// The same for a matrix.
template <class Matrix>
Matrix new_matrix(int rows, int columns) {
  return Matrix(Rcpp::unwindProtect(
      [rows, columns] { return Rf_allocMatrix(Matrix::r_type::value, rows, columns); }));
}

// A copy of the engine's numbers as a vector of R's.
template <class Vector, class Number>
Vector vector_of(const std::vector<Number>& numbers) {
  auto copy = new_vector<Vector>(static_cast<R_xlen_t>(numbers.size()));
  std::copy(numbers.begin(), numbers.end(), copy.begin());
  return copy;
}

// Whether Ctrl-C came and has not been heard of. It is by this. Throws what R has to tell instead:
// an end of setTimeLimit().
bool interrupt_pending();

// Runs long work on a thread of its own while this one, the only one that may touch R, looks for
// Ctrl-C and reports progress: `progress(done, total)`, an R function or NULL. Returns false when
// the user interrupted; errors of the work are raised as R conditions.
bool interruptible(canal::Control& control, SEXP progress, const std::function<void()>& work);

// The same for work that leaves nothing worth keeping: Ctrl-C becomes R's own interrupt.
void run_or_interrupt(canal::Control& control, SEXP progress, const std::function<void()>& work);

}  // namespace glue
