// The principal axes: the covariance cell by cell, and its eigenvectors against LibTorch's
// eigenvalues and against what eigenvectors are.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "cellular_support.h"
#include "engine/cellular.h"
#include "engine/cellular/covariance.h"
#include "engine/cellular/leading_axes.h"
#include "io_support.h"

namespace {

using canal::Control;
using canal::ErrorKind;
using canal::leading_axes;

at::Tensor random_covariance(int64_t n, int64_t rank, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor x = at::randn({n, rank}, generator, at::kDouble);
  return x.matmul(x.t()) / static_cast<double>(rank);
}

std::vector<double> values_of(const at::Tensor& matrix) {
  const double* first = matrix.data_ptr<double>();
  return {first, first + matrix.numel()};
}

// n x count.
at::Tensor axes_of(const at::Tensor& covariance, int64_t count) {
  const Control control;
  std::vector<double> axes =
      leading_axes(values_of(covariance), covariance.size(0), count, control);
  return at::tensor(axes, at::kDouble).reshape({count, covariance.size(0)}).t();
}

// Eigenvectors of their own eigenvalues, which are the largest there are, at right angles.
void expect_axes(const at::Tensor& covariance, int64_t count) {
  const int64_t n = covariance.size(0);
  const at::Tensor axes = axes_of(covariance, count);
  const at::Tensor wanted = std::get<0>(at::linalg_eigh(covariance)).flip(0).slice(0, 0, count);
  const double scale = covariance.abs().max().item<double>() * static_cast<double>(n) + 1e-300;
  const auto largest = [](const at::Tensor& t) { return t.abs().max().item<double>(); };
  EXPECT_LT(largest(covariance.matmul(axes) - axes * wanted), 1e-13 * scale) << n << " " << count;
  EXPECT_LT(largest(axes.t().matmul(axes) - at::eye(count, at::kDouble)), 1e-12) << n;
}

TEST(LeadingAxes, AreEigenvectorsOfTheLargestEigenvalues) {
  for (const int64_t n : {1, 2, 3, 33, 64, 65, 96, 97, 128, 129, 200}) {
    const at::Tensor covariance = random_covariance(n, n + 20, static_cast<uint64_t>(n));
    for (const int64_t count : {int64_t{1}, std::min<int64_t>(n, 40), n}) {
      expect_axes(covariance, count);
    }
  }
}

TEST(LeadingAxes, OfGenesThatDependOnOneAnotherAreAtRightAngles) {
  expect_axes(random_covariance(150, 4, 1), 30);
  expect_axes(at::eye(100, at::kDouble), 10);
  expect_axes(at::zeros({70, 70}, at::kDouble), 3);
}

TEST(LeadingAxes, StopWhenTheyAreTold) {
  Control control;
  control.cancel = true;
  EXPECT_THROW(leading_axes(values_of(random_covariance(100, 100, 1)), 100, 3, control),
               canal::Cancelled);
}

TEST(LeadingAxes, OfWhatIsNoCovarianceAreRefused) {
  const Control control;
  const auto refuse = [&](ErrorKind kind, const std::string& fragment, std::vector<double> values,
                          int64_t n, int64_t count) {
    io_test::expect_error(kind, fragment, [&] { leading_axes(values, n, count, control); });
  };
  refuse(ErrorKind::sizes, "square", {1, 2}, 2, 1);
  refuse(ErrorKind::sizes, "3 axes", {1, 0, 0, 1}, 2, 3);
  refuse(ErrorKind::input, "not finite", {NAN, 0, 0, 1}, 2, 1);
  refuse(ErrorKind::input, "not finite", std::vector<double>(100 * 100, INFINITY), 100, 1);
}

// Cells x genes.
at::Tensor dense(const canal_test::SparseValues& values) {
  const canal::SparseCells cells = values.view();
  at::Tensor out = at::zeros({cells.cells, cells.genes}, at::kDouble);
  for (int64_t cell = 0; cell < cells.cells; ++cell) {
    for (int32_t i = cells.starts[cell]; i < cells.starts[cell + 1]; ++i) {
      out[cell][cells.gene[i]] = cells.value[i];
    }
  }
  return out;
}

TEST(GeneCovariance, IsThatOfTheDenseValuesOnAnyNumberOfThreads) {
  for (const int64_t genes : {1, 2, 40, 128, 129, 300}) {
    const canal_test::RandomCells cells(30, genes, 2, 0, static_cast<unsigned>(genes));
    const Control control;
    const std::vector<double> found = canal::gene_covariance(cells.values.view(), 1, control);
    const at::Tensor x = dense(cells.values);
    const at::Tensor centred = x - x.mean(0, true);
    const at::Tensor wanted = centred.t().matmul(centred) / 30;
    // By columns, so what LibTorch has by rows is the other triangle.
    const at::Tensor lower = at::tensor(found, at::kDouble).reshape({genes, genes}).t();
    EXPECT_LT((lower - wanted.tril()).abs().max().item<double>(), 1e-13) << genes;
    EXPECT_EQ(canal::gene_covariance(cells.values.view(), 3, control), found);
  }
}

TEST(GeneCovariance, StopsWhenItIsTold) {
  const canal_test::RandomCells cells(10, 5, 2, 0, 1);
  Control control;
  control.cancel = true;
  EXPECT_THROW(canal::gene_covariance(cells.values.view(), 1, control), canal::Cancelled);
}

TEST(PrincipalAxes, AreThoseOfTheCovarianceOnAnyNumberOfThreads) {
  const canal_test::RandomCells cells(150, 200, 2, 0, 1);
  const Control control;
  const std::vector<double> axes = canal::principal_axes(cells.values.view(), 20, 1, control);
  EXPECT_EQ(canal::principal_axes(cells.values.view(), 20, 2, control), axes);
  EXPECT_EQ(leading_axes(canal::gene_covariance(cells.values.view(), 1, control), 200, 20, control),
            axes);
}

}  // namespace
