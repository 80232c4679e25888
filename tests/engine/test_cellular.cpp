// CELLULAR's encoder and losses: the recorded numbers of the published program, and loops over
// cells.
#include <gtest/gtest.h>

#include "cellular_support.h"
#include "compare.h"
#include "engine/compute.h"
#include "engine/kernels/buffer.h"
#include "engine/kernels/kernel.h"
#include "slopes.h"

namespace {

using canal::CellGroups;
using canal::CellularSums;
using canal::CellularTrainer;
using canal::FloatArray;
using canal::Weights;
using canal_test::cellular_golden;
using canal_test::cellular_options;
using canal_test::floats;
using canal_test::number;
using canal_test::RandomCells;
using canal_test::relative_difference;
using canal_test::SparseValues;
using canal_test::weights_in;

// ---- The losses, cell by cell -------------------------------------------------------------------

struct NaiveLosses {
  double snn = 0, batch = 0, centroid = 0;
  bool with_snn = false, with_batch = false, with_centroid = false;
};

// One mini-batch: all cells of `groups`.
class Naive {
 public:
  Naive(const FloatArray& z_, const CellGroups& groups_) : z(z_), groups(groups_) {}

  double cosine(size_t i, size_t j) const {
    double dot = 0, a = 0, b = 0;
    for (int64_t l = 0; l < z.shape[1]; ++l) {
      const double x = z.values[i * z.shape[1] + l], y = z.values[j * z.shape[1] + l];
      dot += x * y, a += x * x, b += y * y;
    }
    return dot / std::sqrt(a * b);
  }

  // -log(P / (P + Q)), NaN where the cell lacks a positive or a negative one.
  template <class Positive, class Negative>
  double of_cell(size_t i, double temperature, Positive positive, Negative negative) const {
    double p = 0, q = 0;
    int positives = 0, negatives = 0;
    for (size_t j = 0; j < groups.types.size(); ++j) {
      const double similarity = std::exp(cosine(i, j) / temperature);
      if (j != i && positive(j)) p += similarity, ++positives;
      if (negative(j)) q += similarity, ++negatives;
    }
    return positives > 0 && negatives > 0 ? -std::log(p / (p + q)) : NAN;
  }

  // Means of the groups' losses, NaNs left out, times the groups' weights.
  static double weighted(const std::vector<int32_t>& codes, const std::vector<double>& losses,
                         const std::vector<double>& weights, bool& any) {
    std::map<int32_t, std::pair<double, int>> sums;
    for (size_t i = 0; i < codes.size(); ++i)
      if (!std::isnan(losses[i])) sums[codes[i]].first += losses[i], ++sums[codes[i]].second;
    double total = 0;
    for (const auto& [code, sum] : sums) total += weights[code] * sum.first / sum.second;
    any = !sums.empty();
    return total;
  }

  static std::vector<double> weights_of(const std::vector<int32_t>& codes) {
    std::vector<double> counts(1 + *std::max_element(codes.begin(), codes.end()), 0);
    for (const int32_t code : codes) ++counts[code];
    double sum = 0;
    for (double& count : counts) sum += count = count > 0 ? 1 / count : 0;
    for (double& count : counts) count /= sum;
    return counts;
  }

  double distance(int a, int b) const {
    double squares = 0;
    for (int64_t l = 0; l < z.shape[1]; ++l) squares += std::pow(mean(a, l) - mean(b, l), 2);
    return std::sqrt(squares);
  }

  double mean(int type, int64_t l) const {
    double sum = 0;
    int count = 0;
    for (size_t i = 0; i < groups.types.size(); ++i)
      if (groups.types[i] == type) sum += z.values[i * z.shape[1] + l], ++count;
    return sum / count;
  }

  double centroid(const std::vector<double>& distances, int kinds, bool& any) const {
    auto present = [&](int type) {
      return std::count(groups.types.begin(), groups.types.end(), type) > 0;
    };
    std::vector<double> wanted, found;
    for (int a = 0; a < kinds; ++a)
      for (int b = 0; b < kinds; ++b) {
        const double d = distances[a * kinds + b];
        if (!present(a) || !present(b) || std::isnan(d) || d == 0) continue;
        wanted.push_back(d);
        found.push_back(distance(a, b));
      }
    any = !wanted.empty();
    if (!any) return 0;
    const double largest = *std::max_element(wanted.begin(), wanted.end());
    const double farthest = *std::max_element(found.begin(), found.end());
    double sum = 0;
    for (size_t i = 0; i < wanted.size(); ++i)
      sum += std::pow(found[i] / farthest - wanted[i] / largest, 2);
    return sum / static_cast<double>(wanted.size());
  }

  NaiveLosses losses(const CellGroups& training, const std::vector<double>& distances, int kinds,
                     double temperature) const {
    NaiveLosses result;
    const auto& types = groups.types;
    const auto& batches = groups.batches;
    std::vector<double> of_types, of_batches;
    for (size_t i = 0; i < types.size(); ++i) {
      of_types.push_back(of_cell(
          i, temperature, [&](size_t j) { return types[j] == types[i]; },
          [&](size_t j) { return types[j] != types[i]; }));
      if (batches.empty()) continue;
      of_batches.push_back(
          1 / of_cell(
                  i, 0.5,
                  [&](size_t j) { return types[j] == types[i] && batches[j] == batches[i]; },
                  [&](size_t j) { return types[j] == types[i] && batches[j] != batches[i]; }));
    }
    result.snn = weighted(types, of_types, weights_of(training.types), result.with_snn);
    if (!batches.empty())
      result.batch = weighted(batches, of_batches, weights_of(training.batches), result.with_batch);
    result.centroid = centroid(distances, kinds, result.with_centroid);
    return result;
  }

 private:
  const FloatArray& z;
  const CellGroups& groups;
};

// ---- The golden numbers -------------------------------------------------------------------------

struct GoldenCells {
  GoldenCells()
      : root(cellular_golden()),
        values(canal_test::sparse_values(floats(*root.child("x")))),
        weights(weights_in(*root.child("encoder"))) {
    groups.types = root.child("labels0")->int32;
    groups.batches = root.child("batch0")->int32;
    distances = root.child("pca_centroid_distance")->float64;
  }
  CellularTrainer trainer(const canal::CellularOptions& options) const {
    return CellularTrainer(weights, distances, groups, options);
  }
  double attribute(const std::string& name) const { return number(*root.attribute(name)); }

  canal::Tree root;
  SparseValues values;
  Weights weights;
  CellGroups groups;
  std::vector<double> distances;
  canal::Control control;
};

// By every tier of this CPU, and by LibTorch's operators alone.
class Cellular : public ::testing::TestWithParam<std::string> {
 protected:
  Cellular() : options(cellular_options()) { options.compute.kernels = GetParam(); }
  canal::CellularOptions options;
  canal::Control control;
};

INSTANTIATE_TEST_SUITE_P(Kernels, Cellular, ::testing::ValuesIn(canal::available_kernels()),
                         [](const auto& info) { return info.param; });

TEST_P(Cellular, golden_losses) {
  GoldenCells golden;
  const CellularSums sums =
      golden.trainer(options).validate(golden.values.view(), golden.groups, control);
  EXPECT_NEAR(sums.total / golden.attribute("loss"), 1, 1e-5);
  EXPECT_NEAR(sums.centroid / golden.attribute("loss_centroid"), 1, 1e-5);
  EXPECT_EQ(sums.steps, 1);
  EXPECT_EQ(sums.with_batch, 1);
  golden.groups.batches.clear();
  const CellularSums without =
      golden.trainer(options).validate(golden.values.view(), golden.groups, control);
  EXPECT_NEAR(without.total / golden.attribute("loss_without_batch"), 1, 1e-5);
  EXPECT_EQ(without.with_batch, 0);
}

TEST_P(Cellular, golden_gradients) {
  GoldenCells golden;
  const Weights gradients = golden.trainer(options).gradients(golden.values.view());
  const auto& expected = golden.root.child("grad")->children;
  EXPECT_EQ(gradients.size(), expected.size() + 1);
  for (const auto& [name, tree] : expected) {
    const FloatArray* got = canal::find(gradients, name);
    ASSERT_NE(got, nullptr) << name;
    EXPECT_LT(relative_difference(*got, floats(tree)), 1e-4) << name;
  }
  const FloatArray* temperature = canal::find(gradients, "temperature_target");
  ASSERT_NE(temperature, nullptr);
  EXPECT_NEAR(temperature->values.at(0) / golden.attribute("temperature_grad"), 1, 1e-4);
}

TEST(CellularEncoder, golden_embedding) {
  GoldenCells golden;
  const canal::CellularEncoder encoder(golden.weights);
  EXPECT_EQ(encoder.widths().first, 32);
  const FloatArray z = encoder.embed(golden.values.view(), 2, golden.control);
  EXPECT_LT(relative_difference(z, floats(*golden.root.child("embedding"))), 1e-5);
}

// ---- Random cells -------------------------------------------------------------------------------

const canal::EncoderWidths odd_widths{77, 67, 19, 5};

TEST_P(Cellular, losses_equal_the_loop_over_cells) {
  struct Case {
    int64_t cells;
    int types, batches;
  };
  // Many types: some with one cell. One batch: no negatives of it. None.
  for (const Case& c : {Case{40, 4, 3}, Case{25, 12, 2}, Case{30, 3, 1}, Case{30, 3, 0}}) {
    RandomCells cells(c.cells, 77, c.types, c.batches, 7);
    cells.groups.types[3] = c.types - 1;
    // A type in one batch only, a pair of types without a distance, one with NaN.
    for (size_t i = 0; i < cells.groups.batches.size(); ++i)
      if (cells.groups.types[i] == 0) cells.groups.batches[i] = 0;
    cells.distances[1] = cells.distances[c.types] = 0;
    cells.distances[2] = cells.distances[2 * c.types] = NAN;
    const Weights weights = canal::start_encoder(odd_widths, 0.3, 5);
    const CellularSums sums =
        cells.trainer(weights, options).validate(cells.values.view(), cells.groups, control);
    const FloatArray z = canal::CellularEncoder(weights).embed(cells.values.view(), 2, control);
    const NaiveLosses naive =
        Naive(z, cells.groups).losses(cells.groups, cells.distances, cells.kinds, 0.3f);
    EXPECT_NEAR(sums.snn, naive.snn, 1e-5 * naive.snn);
    EXPECT_NEAR(sums.batch, naive.batch, 1e-4 * naive.batch);
    EXPECT_NEAR(sums.centroid, naive.centroid, 1e-4 * naive.centroid);
    EXPECT_EQ(sums.with_snn, naive.with_snn);
    EXPECT_EQ(sums.with_batch, naive.with_batch);
    EXPECT_EQ(sums.with_batch, c.batches > 1);
    EXPECT_EQ(sums.with_centroid, naive.with_centroid);
    const double expected = c.batches > 0 ? 0.9 * naive.snn + 0.1 * naive.batch + naive.centroid
                                          : naive.snn + naive.centroid;
    EXPECT_NEAR(sums.total, expected, 1e-5 * expected);
  }
}

// Mini-batches weigh types and batches as all training cells do.
TEST_P(Cellular, sums_go_over_mini_batches) {
  RandomCells cells(50, 77, 3, 2, 8);
  options.batch_size = 20;
  const Weights weights = canal::start_encoder(odd_widths, 0.25, 5);
  const CellularSums sums =
      cells.trainer(weights, options).validate(cells.values.view(), cells.groups, control);
  const FloatArray z = canal::CellularEncoder(weights).embed(cells.values.view(), 2, control);
  NaiveLosses expected;
  for (int64_t first = 0; first < 50; first += 20) {
    const int64_t last = std::min<int64_t>(50, first + 20);
    const FloatArray part{{last - first, 5},
                          {z.values.begin() + first * 5, z.values.begin() + last * 5}};
    const CellGroups some{
        {cells.groups.types.begin() + first, cells.groups.types.begin() + last},
        {cells.groups.batches.begin() + first, cells.groups.batches.begin() + last}};
    const NaiveLosses one =
        Naive(part, some).losses(cells.groups, cells.distances, cells.kinds, 0.25);
    expected.snn += one.snn;
    expected.batch += one.batch;
    expected.centroid += one.centroid;
  }
  EXPECT_EQ(sums.steps, 3);
  EXPECT_NEAR(sums.snn, expected.snn, 1e-5 * expected.snn);
  EXPECT_NEAR(sums.batch, expected.batch, 1e-4 * expected.batch);
  EXPECT_NEAR(sums.centroid, expected.centroid, 1e-4 * expected.centroid);
}

// Each loss alone, and all.
TEST_P(Cellular, gradients_equal_finite_differences) {
  struct Case {
    double snn, batch, centroid;
  };
  GoldenCells golden;
  options.num_threads = 1;
  for (const Case& c : {Case{1, 0, 0}, Case{0, 1, 0}, Case{0, 0, 1}, Case{0.9, 0.1, 1}}) {
    SCOPED_TRACE(testing::Message() << c.snn << " " << c.batch << " " << c.centroid);
    options.snn_weight = c.snn;
    options.batch_weight = c.batch;
    options.centroid_weight = c.centroid;
    canal_test::Slopes known;
    // Only the first loss has the temperature that learns; distances stay where all cells move.
    if (c.snn == 0) known.flat.emplace_back("temperature_target");
    if (c.snn == 0 && c.batch == 0) known.flat.emplace_back("output_encoder.output.bias");
    canal_test::expect_slopes(
        golden.trainer(options).weights(), golden.trainer(options).gradients(golden.values.view()),
        [&](const Weights& weights) {
          return CellularTrainer(weights, golden.distances, golden.groups, options)
              .validate(golden.values.view(), golden.groups, control)
              .total;
        },
        known);
  }
}

TEST_P(Cellular, gradients_equal_those_of_the_operators) {
  RandomCells cells(33, 77, 4, 3, 10);
  options.dropout = 0.4;
  const Weights weights = canal::start_encoder(odd_widths, 0.3, 6);
  Weights moved = weights;  // gains and biases of the first norm that are not 1 and 0
  for (size_t i = 0; i < 77; ++i) {
    moved[0].second.values[i] += 0.01f * static_cast<float>(i % 7);
    moved[1].second.values[i] -= 0.02f * static_cast<float>(i % 5);
  }
  const Weights gradients = cells.trainer(moved, options).gradients(cells.values.view());
  options.compute.kernels = "libtorch";
  for (const auto& [name, gradient] : cells.trainer(moved, options).gradients(cells.values.view()))
    EXPECT_LT(relative_difference(*canal::find(gradients, name), gradient), 2e-5) << name;
}

// ---- Training -----------------------------------------------------------------------------------

std::vector<int64_t> in_order(int64_t cells) {
  std::vector<int64_t> order(cells);
  for (int64_t i = 0; i < cells; ++i) order[i] = i;
  return order;
}

TEST_P(Cellular, a_step_is_adams) {
  RandomCells cells(33, 77, 4, 3, 10);
  const Weights weights = canal::start_encoder(odd_widths, 0.3, 6);
  CellularTrainer trainer = cells.trainer(weights, options);
  const Weights gradients = trainer.gradients(cells.values.view());
  const CellularSums sums = trainer.train(cells.values.view(), in_order(33), 1e-3, control);
  EXPECT_EQ(sums.steps, 1);
  int64_t compared = 0;
  for (const auto& [name, after] : trainer.weights()) {
    const FloatArray& before = *canal::find(weights, name);
    const FloatArray& gradient = *canal::find(gradients, name);
    for (size_t i = 0; i < before.values.size(); ++i) {
      const double g = gradient.values[i] + 5e-5 * before.values[i];  // with the weight decay
      if (std::abs(g) < 1e-4) continue;  // the first step hides all but its sign
      EXPECT_NEAR(after.values[i], before.values[i] - 1e-3 * g / std::abs(g), 2e-6) << name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000);
}

// Enough numbers that steps are made piece by piece, and cells that they go in parts.
TEST_P(Cellular, steps_equal_those_of_the_operators) {
  RandomCells cells(150, 401, 4, 3, 17);
  const Weights weights = canal::start_encoder({401, 200, 100, 10}, 0.3, 6);
  const auto trained = [&](const std::string& kernels) {
    options.compute.kernels = kernels;
    options.dropout = 0.2;
    CellularTrainer trainer = cells.trainer(weights, options);
    for (int step = 0; step < 3; ++step)
      trainer.train(cells.values.view(), in_order(150), 1e-3, control);
    return trainer.state();
  };
  const canal::TrainingState got = trained(GetParam()), expected = trained("libtorch");
  for (size_t i = 0; i < expected.weights.size(); ++i) {
    const std::string& name = expected.weights[i].first;
    EXPECT_LT(relative_difference(got.weights[i].second, expected.weights[i].second), 1e-3) << name;
    EXPECT_LT(relative_difference(got.first_moments[i].second, expected.first_moments[i].second),
              2e-3)
        << name;
    EXPECT_LT(relative_difference(got.second_moments[i].second, expected.second_moments[i].second),
              2e-3)
        << name;
  }
}

TEST_P(Cellular, the_loss_falls) {
  RandomCells cells(120, 77, 4, 2, 11);
  options.batch_size = 50;
  options.dropout = 0.2;
  CellularTrainer trainer = cells.trainer(canal::start_encoder(odd_widths, 0.25, 6), options);
  const CellularSums first = trainer.train(cells.values.view(), {}, 1e-3, control);
  CellularSums last;
  for (int epoch = 0; epoch < 15; ++epoch)
    last = trainer.train(cells.values.view(), {}, 1e-3, control);
  EXPECT_EQ(last.steps, 3);
  EXPECT_LT(last.snn / last.with_snn, 0.9 * first.snn / first.with_snn);
}

void expect_equal(const Weights& a, const Weights& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_EQ(a[i].second.values, b[i].second.values) << a[i].first;
  }
}

TEST_P(Cellular, a_stopped_run_goes_on_to_the_last_bit) {
  RandomCells cells(60, 77, 4, 2, 12);
  options.batch_size = 25;
  options.dropout = 0.2;
  const Weights weights = canal::start_encoder(odd_widths, 0.25, 6);
  CellularTrainer whole = cells.trainer(weights, options);
  canal::TrainingState state;
  for (int epoch = 0; epoch < 4; ++epoch) {
    whole.train(cells.values.view(), {}, 1e-3, control);
    if (epoch == 1) {
      whole.keep_best();
      state = whole.state();
    }
  }
  options.seed = 99;  // the state's generator counts
  CellularTrainer resumed = cells.trainer(weights, options);
  resumed.restore(state);
  for (int epoch = 2; epoch < 4; ++epoch) resumed.train(cells.values.view(), {}, 1e-3, control);
  expect_equal(resumed.weights(), whole.weights());
  expect_equal(resumed.best_weights(), whole.best_weights());
  expect_equal(resumed.state().second_moments, whole.state().second_moments);
  EXPECT_EQ(resumed.state().generator, whole.state().generator);
}

TEST_P(Cellular, a_seed_decides) {
  RandomCells cells(60, 77, 4, 2, 12);
  options.batch_size = 25;
  options.dropout = 0.2;
  const auto trained = [&](uint64_t seed) {
    options.seed = seed;
    CellularTrainer trainer = cells.trainer(canal::start_encoder(odd_widths, 0.25, 6), options);
    trainer.train(cells.values.view(), in_order(60), 1e-3, control);
    return trainer.weights();
  };
  const Weights once = trained(4);
  expect_equal(trained(4), once);
  EXPECT_NE(trained(5)[2].second.values, once[2].second.values);  // by dropout alone
}

// So many cells that LibTorch would cut its operators, and in the middle of a row.
TEST_P(Cellular, threads_change_nothing) {
  RandomCells cells(187, 77, 4, 2, 12);
  const canal::EncoderWidths wide{77, 250, 201, 180};
  options.batch_size = 187;
  options.dropout = 0.2;
  const auto trained = [&](int threads) {
    options.num_threads = threads;
    CellularTrainer trainer = cells.trainer(canal::start_encoder(wide, 0.25, 6), options);
    for (int epoch = 0; epoch < 3; ++epoch) trainer.train(cells.values.view(), {}, 1e-3, control);
    const double loss = trainer.validate(cells.values.view(), cells.groups, control).total;
    return std::make_pair(trainer.weights(), loss);
  };
  const auto one = trained(1), two = trained(2);
  expect_equal(two.first, one.first);
  EXPECT_EQ(two.second, one.second);
}

TEST_P(Cellular, the_temperature_stays_within_its_bounds) {
  RandomCells cells(40, 77, 4, 2, 13);
  const auto temperature = [](const CellularTrainer& trainer) {
    return canal::find(trainer.weights(), "temperature_target")->values.at(0);
  };
  options.least_temperature = 0.24;
  options.most_temperature = 0.26;
  CellularTrainer trainer = cells.trainer(canal::start_encoder(odd_widths, 3, 6), options);
  EXPECT_FLOAT_EQ(temperature(trainer), 0.26f);
  for (int epoch = 0; epoch < 5; ++epoch) {
    trainer.train(cells.values.view(), {}, 1e-2, control);
    EXPECT_GE(temperature(trainer), 0.24f);
    EXPECT_LE(temperature(trainer), 0.26f);
  }
  // At its bound it still has the gradient of the bound.
  EXPECT_NE(canal::find(trainer.gradients(cells.values.view()), "temperature_target")->values[0],
            0.0f);
}

TEST_P(Cellular, mini_batches_without_a_pair_are_skipped_and_counted) {
  RandomCells cells(12, 77, 3, 2, 14);
  // Mini-batches of 4: two types; one type; and each of its types once.
  cells.groups.types = {0, 0, 1, 1, 2, 2, 2, 2, 0, 1, 2};
  cells.groups.types.push_back(0);
  cells.groups.batches.assign(12, 0);
  cells.groups.batches[0] = cells.groups.batches[2] = 1;
  options.batch_size = 4;
  const Weights weights = canal::start_encoder(odd_widths, 0.25, 6);
  CellularTrainer trainer = cells.trainer(weights, options);
  const CellularSums sums =
      trainer.train(cells.values.view(), {0, 1, 2, 3, 4, 5, 6, 7}, 1e-3, control);
  EXPECT_EQ(sums.steps, 1);
  EXPECT_EQ(sums.skipped, 1);
  EXPECT_EQ(sums.with_batch, 0);  // no cell has one of its own type and batch and one of another
  EXPECT_EQ(sums.with_centroid, 1);
  EXPECT_NEAR(sums.total, 0.9 * sums.snn + sums.centroid, 1e-6);
  CellularTrainer untouched = cells.trainer(weights, options);
  EXPECT_EQ(untouched.train(cells.values.view(), {8, 9, 10}, 1e-3, control).skipped, 1);
  EXPECT_EQ(untouched.train(cells.values.view(), {4, 5}, 1e-3, control).skipped, 1);
  expect_equal(untouched.weights(), weights);
}

TEST_P(Cellular, centroids_without_distances_are_left_out) {
  RandomCells cells(20, 77, 2, 2, 15);
  cells.distances = {0, NAN, NAN, 0};
  const CellularSums sums = cells.trainer(canal::start_encoder(odd_widths, 0.25, 6), options)
                                .validate(cells.values.view(), cells.groups, control);
  EXPECT_EQ(sums.steps, 1);
  EXPECT_EQ(sums.with_centroid, 0);
  EXPECT_EQ(sums.centroid, 0);
}

TEST_P(Cellular, cancelling_ends_an_epoch) {
  RandomCells cells(20, 77, 2, 2, 15);
  CellularTrainer trainer = cells.trainer(canal::start_encoder(odd_widths, 0.25, 6), options);
  control.cancel = true;
  EXPECT_THROW(trainer.train(cells.values.view(), {}, 1e-3, control), canal::Cancelled);
  EXPECT_THROW(trainer.validate(cells.values.view(), cells.groups, control), canal::Cancelled);
  EXPECT_THROW(canal::CellularEncoder(trainer.weights()).embed(cells.values.view(), 1, control),
               canal::Cancelled);
}

// ---- Embedding, start, errors -------------------------------------------------------------------

TEST(CellularEncoder, a_cell_depends_on_no_other) {
  if (canal::kernels_for({}) == "libtorch") GTEST_SKIP() << "the BLAS adds up as it likes";
  RandomCells cells(300, 501, 4, 2, 16);
  const canal::CellularEncoder encoder(canal::start_encoder({501, 251, 125, 30}, 0.25, 3));
  canal::Control control;
  const FloatArray all = encoder.embed(cells.values.view(), 1, control);
  EXPECT_EQ(encoder.embed(cells.values.view(), 2, control).values, all.values);
  EXPECT_EQ(control.done, 600);
  const canal::SparseCells view = cells.values.view();
  for (const int64_t cell : {0, 130, 299}) {
    const int32_t starts[] = {view.starts[cell], view.starts[cell + 1]};
    const FloatArray alone = encoder.embed({1, 501, starts, view.gene, view.value}, 2, control);
    EXPECT_EQ(alone.values, std::vector<float>(all.values.begin() + cell * 30,
                                               all.values.begin() + (cell + 1) * 30));
  }
  EXPECT_EQ(encoder.embed({0, 501, view.starts, view.gene, view.value}, 2, control).shape,
            (std::vector<int64_t>{0, 30}));
}

TEST(CellularEncoder, starts_as_pytorch_does) {
  const Weights weights = canal::start_encoder({100, 50, 25, 10}, 0.25, 3);
  EXPECT_EQ(weights.size(), 13u);
  for (const auto& [name, array] : weights) {
    const auto [least, most] = std::minmax_element(array.values.begin(), array.values.end());
    const bool norm = name.find("norm_layer") != std::string::npos;
    if (!norm) continue;
    const float start = name.find("weight") != std::string::npos ? 1 : 0;
    EXPECT_EQ(*least, start) << name;
    EXPECT_EQ(*most, start) << name;
  }
  const FloatArray& linear2 = *canal::find(weights, "output_encoder.linear2.weight");
  EXPECT_EQ(linear2.shape, (std::vector<int64_t>{25, 50}));
  const double bound = 1 / std::sqrt(50.0);
  double squares = 0, largest = 0;
  for (const float value : linear2.values) {
    squares += value * value;
    largest = std::max<double>(largest, std::abs(value));
  }
  EXPECT_LE(largest, bound);
  EXPECT_NEAR(squares / 1250, bound * bound / 3, 0.1 * bound * bound);
  const double of_bias =
      std::abs(canal::find(weights, "output_encoder.linear2.bias")->values.at(0));
  EXPECT_LE(of_bias, bound);
  EXPECT_GT(of_bias, 0);
  expect_equal(canal::start_encoder({100, 50, 25, 10}, 0.25, 3), weights);
  EXPECT_THROW(canal::start_encoder({100, 0, 25, 10}, 0.25, 3), canal::Error);
}

TEST(CellularErrors, what_does_not_fit_is_refused) {
  RandomCells cells(20, 77, 2, 2, 15);
  canal::Control control;
  const Weights weights = canal::start_encoder(odd_widths, 0.25, 6);
  const auto with = [&](auto change) {
    canal::CellularOptions options = cellular_options();
    change(options);
    cells.trainer(weights, options);
  };
  EXPECT_NO_THROW(with([](auto&) {}));
  EXPECT_THROW(with([](auto& o) { o.dropout = 1; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.snn_weight = -1; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.least_temperature = 3; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.batch_temperature = 0; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.batch_size = 0; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.accumulation = 2; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.compute.device = "cuda"; }), canal::Error);
  EXPECT_THROW(with([&](auto&) { cells.groups.types[0] = 2; }), canal::Error);
  cells.groups.types[0] = 0;
  for (const std::vector<double>& distances :
       {std::vector<double>{0, 1, 1}, {0, 1, 2, 0}, {0, -1, -1, 0}}) {
    cells.distances = distances;
    EXPECT_THROW(with([](auto&) {}), canal::Error);
  }
  cells.distances = {0, 1, 1, 0};

  Weights other = weights;
  other[4].second.shape = {3};
  EXPECT_THROW(cells.trainer(other, cellular_options()), canal::Error);
  EXPECT_THROW(canal::CellularEncoder{other}, canal::Error);
  other.erase(other.begin() + 4);
  EXPECT_THROW(canal::CellularEncoder{other}, canal::Error);

  CellularTrainer trainer = cells.trainer(weights, cellular_options());
  RandomCells wider(20, 78, 2, 2, 15), fewer(19, 77, 2, 2, 15);
  EXPECT_THROW(trainer.train(wider.values.view(), {}, 1e-3, control), canal::Error);
  EXPECT_THROW(trainer.train(fewer.values.view(), {}, 1e-3, control), canal::Error);
  EXPECT_THROW(trainer.train(cells.values.view(), {20}, 1e-3, control), canal::Error);
  EXPECT_THROW(trainer.validate(fewer.values.view(), cells.groups, control), canal::Error);
  EXPECT_THROW(canal::CellularEncoder(weights).embed(wider.values.view(), 1, control),
               canal::Error);
  cells.groups.batches.clear();
  EXPECT_THROW(trainer.validate(cells.values.view(), cells.groups, control), canal::Error);
  canal::TrainingState state = trainer.state();
  state.first_moments.pop_back();
  EXPECT_THROW(trainer.restore(state), canal::Error);
}

// ---- Sparse products ----------------------------------------------------------------------------

TEST(SparseProduct, equals_the_sum) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const int64_t width : {1, 7, 16, 37, 64, 130}) {
    const std::vector<int64_t> starts{0, 3, 3, 8};
    const std::vector<int32_t> column{0, 4, 5, 1, 2, 3, 4, 5};
    std::vector<float> value(8), dense(6 * width);
    for (float& x : value) x = normal(random);
    for (float& x : dense) x = normal(random);
    for (const canal::Tier& tier : canal::tiers()) {
      if (!tier.runs_here()) continue;
      std::vector<float> to(3 * width, 99);
      tier.sparse({starts.data(), column.data(), value.data()}, 1, 3, {dense.data(), width}, width,
                  {to.data(), width});
      for (int64_t c = 0; c < width; ++c) {
        double sum = 0;
        for (int64_t k = 3; k < 8; ++k)
          sum += static_cast<double>(value[k]) * dense[column[k] * width + c];
        EXPECT_EQ(to[c], 99);  // not asked for
        EXPECT_EQ(to[width + c], 0);
        EXPECT_NEAR(to[2 * width + c], sum, 1e-5) << tier.name << " " << width;
      }
    }
  }
}

// a as it is and as the transpose of what is stored; sizes around tiles and vectors.
TEST(DenseProduct, equals_the_sum) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  struct Sizes {
    int64_t rows, depth, columns;
  };
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{9, 5, 17}, Sizes{8, 30, 48}, Sizes{23, 7, 65}}) {
    std::vector<float> a(s.rows * s.depth), b(s.depth * s.columns);
    for (float& x : a) x = normal(random);
    for (float& x : b) x = normal(random);
    for (const canal::Tier& tier : canal::tiers()) {
      if (!tier.runs_here()) continue;
      for (const bool transposed : {false, true}) {
        canal::Buffer<float> room(canal::dense_product_room(s.rows, s.depth, s.columns));
        std::vector<float> to(s.rows * s.columns + 1, 99);
        const int64_t row = transposed ? 1 : s.depth, step = transposed ? s.rows : 1;
        tier.dense({a.data(), row, step}, s.rows, {b.data(), s.columns}, s.depth, s.columns,
                   {to.data(), s.columns}, room.data());
        for (int64_t r = 0; r < s.rows; ++r)
          for (int64_t c = 0; c < s.columns; ++c) {
            double sum = 0;
            for (int64_t k = 0; k < s.depth; ++k)
              sum += static_cast<double>(a[r * row + k * step]) * b[k * s.columns + c];
            EXPECT_NEAR(to[r * s.columns + c], sum, 1e-5) << tier.name << " " << transposed;
          }
        EXPECT_EQ(to.back(), 99);  // not beyond the end
      }
    }
  }
}

}  // namespace
