#include "engine/cellular/leading_axes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "engine/cellular/lapack.h"
#include "engine/errors.h"
#include "engine/runtime/thread_scope.h"

namespace canal {

namespace {

// Columns that are reduced together, between looks for Ctrl-C.
constexpr int columns_together = 32;
// Below this, column by column is as fast.
constexpr int least_together = 64;

void check_done(int info, const char* what) {
  if (info == 0) return;
  throw Error(ErrorKind::internal,
              std::string(what) + " of LAPACK failed with " + std::to_string(info) + ".");
}

// A symmetric matrix as Q T Q': T tridiagonal, of the diagonals d and e, and Q as reflections,
// whose vectors lie in the lower triangle of what was the matrix.
struct Tridiagonal {
  std::vector<double> reflections;
  std::vector<double> d, e, tau;
};

// LAPACK's dsytrd(), which hears of nothing until its end: here Ctrl-C is looked for.
Tridiagonal reduce(std::vector<double> matrix, int n, const Control& control) {
  const auto size = static_cast<size_t>(n);
  Tridiagonal t{std::move(matrix), std::vector<double>(size), std::vector<double>(size),
                std::vector<double>(size)};
  double* a = t.reflections.data();
  const auto at = [&](int row, int column) { return a + row + static_cast<size_t>(column) * size; };
  std::vector<double> owed(size * columns_together);
  int first = 0;
  for (; n - first > least_together; first += columns_together) {
    control.check();
    const int left = n - first;
    const int rest = left - columns_together;
    const int next = first + columns_together;
    dlatrd_("L", &left, &columns_together, at(first, first), &n, &t.e[first], &t.tau[first],
            owed.data(), &n, 1);
    const double minus = -1, one = 1;
    dsyr2k_("L", "N", &rest, &columns_together, &minus, at(next, first), &n,
            owed.data() + columns_together, &n, &one, at(next, next), &n, 1, 1);
    for (int column = first; column < next; ++column) {
      *at(column + 1, column) = t.e[column];
      t.d[column] = *at(column, column);
    }
  }
  const int left = n - first;
  int info = 0;
  dsytd2_("L", &left, at(first, first), &n, &t.d[first], &t.e[first], &t.tau[first], &info, 1);
  check_done(info, "dsytd2()");
  return t;
}

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// Of the tridiagonal matrix alone; ascending.
std::vector<double> highest_vectors(const Tridiagonal& t, int n, int count) {
  std::vector<double> d = t.d, e = t.e, values(d.size()), vectors(d.size() * count);
  const int first = n - count + 1;
  const int work_size = 18 * n, whole_size = 10 * n;
  std::vector<double> work(static_cast<size_t>(work_size));
  std::vector<int> whole(static_cast<size_t>(whole_size)), support(2 * static_cast<size_t>(count));
  const double none = 0;
  int found = 0, relative = 1, info = 0;
  dstemr_("V", "I", &n, d.data(), e.data(), &none, &none, &first, &n, &found, values.data(),
          vectors.data(), &n, &count, support.data(), &relative, work.data(), &work_size,
          whole.data(), &whole_size, &info, 1, 1);
  check_done(info, "dstemr()");
  return vectors;
}

// Q times the vectors, some columns at a time.
void reflect(const Tridiagonal& t, int n, int count, std::vector<double>& vectors,
             const Control& control) {
  constexpr int work_size = 64 * columns_together + 65 * 64;  // what dormtr() uses at most
  std::vector<double> work(static_cast<size_t>(work_size));
  for (int first = 0; first < count; first += columns_together) {
    control.check();
    const int some = std::min(columns_together, count - first);
    int info = 0;
    dormtr_("L", "L", "N", &n, &some, t.reflections.data(), &n, t.tau.data(),
            vectors.data() + static_cast<size_t>(first) * static_cast<size_t>(n), &n, work.data(),
            &work_size, &info, 1, 1, 1);
    check_done(info, "dormtr()");
  }
}

}  // namespace

std::vector<double> leading_axes(std::vector<double> covariance, int64_t n, int64_t count,
                                 const Control& control) {
  if (n < 1 || n > std::numeric_limits<int>::max() / 18 || count < 1 || count > n ||
      static_cast<int64_t>(covariance.size()) != n * n) {
    throw Error(ErrorKind::sizes, "A covariance must be square, of as many axes or more; got " +
                                      std::to_string(covariance.size()) + " values for " +
                                      std::to_string(n) + " x " + std::to_string(n) + " and " +
                                      std::to_string(count) + " axes.");
  }
  const ThreadScope threads(1);
  const int size = static_cast<int>(n), wanted = static_cast<int>(count);
  const Tridiagonal t = reduce(std::move(covariance), size, control);
  if (!all_finite(t.d) || !all_finite(t.e)) {
    throw Error(ErrorKind::input, "The covariance of the genes has values that are not finite.");
  }
  std::vector<double> axes = highest_vectors(t, size, wanted);
  reflect(t, size, wanted, axes, control);
  for (int i = 0; i < wanted / 2; ++i) {
    const auto column = [&](int j) { return axes.begin() + static_cast<int64_t>(j) * n; };
    std::swap_ranges(column(i), column(i + 1), column(wanted - 1 - i));
  }
  return axes;
}

}  // namespace canal
