// CELLULAR's classifier: the recorded probabilities, and the running statistics by a naive loop.
#include <gtest/gtest.h>

#include "cellular_support.h"
#include "compare.h"
#include "engine/compute.h"
#include "slopes.h"

namespace {

using canal::ClassifierTrainer;
using canal::FloatArray;
using canal::Weights;
using canal_test::array_of;
using canal_test::cellular_golden;
using canal_test::floats;
using canal_test::weights_in;

canal::ClassifierOptions classifier_options() {
  canal::ClassifierOptions options{};
  options.dropout = 0;
  options.plain_cross_entropy = false;
  options.batch_size = 16;
  options.amsgrad = false;
  options.weight_decay = 5e-5;
  options.seed = 1;
  options.num_threads = 2;
  return options;
}

constexpr canal::ClassifierWidths widths{6, 9, 7, 3};

// Cells of three types that lie apart.
struct Embedded {
  explicit Embedded(int64_t cells, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    z.shape = {cells, 6};
    for (int64_t cell = 0; cell < cells; ++cell) {
      types.push_back(static_cast<int32_t>(random() % 3));
      for (int l = 0; l < 6; ++l)
        z.values.push_back(normal(random) + (l == types[cell] ? 2.0f : 0.0f));
    }
  }
  ClassifierTrainer trainer(const Weights& weights, const canal::ClassifierOptions& options) const {
    return ClassifierTrainer(weights, z, types, options);
  }
  FloatArray z;
  std::vector<int32_t> types;
  canal::Control control;
};

std::vector<int64_t> in_order(int64_t cells) {
  std::vector<int64_t> order(cells);
  for (int64_t i = 0; i < cells; ++i) order[i] = i;
  return order;
}

void expect_equal(const Weights& a, const Weights& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(a[i].second.values, b[i].second.values) << a[i].first;
}

TEST(CellularClassifier, golden_probabilities) {
  const canal::Tree root = cellular_golden();
  const canal::CellularClassifier classifier(weights_in(*root.child("classifier")));
  canal::Control control;
  const FloatArray p = classifier.probabilities(floats(*root.child("embedding")), 2, control);
  EXPECT_LT(canal_test::largest_difference(p, floats(*root.child("class_probability"))), 1e-6);
  EXPECT_EQ(classifier.widths().second, 24);
  EXPECT_EQ(control.done, 48);
}

TEST(CellularClassifier, a_cell_depends_on_no_other) {
  if (canal::kernels_for({}) == "libtorch") GTEST_SKIP() << "the BLAS adds up as it likes";
  const Embedded cells(200);
  const canal::CellularClassifier classifier(canal::start_classifier(widths, 3));
  canal::Control control;
  const FloatArray all = classifier.probabilities(cells.z, 2, control);
  EXPECT_EQ(classifier.probabilities(cells.z, 1, control).values, all.values);
  for (const int64_t cell : {0, 100, 199}) {
    const FloatArray one{
        {1, 6}, {cells.z.values.begin() + cell * 6, cells.z.values.begin() + (cell + 1) * 6}};
    const FloatArray p = classifier.probabilities(one, 2, control);
    EXPECT_EQ(p.values, std::vector<float>(all.values.begin() + cell * 3,
                                           all.values.begin() + (cell + 1) * 3));
    EXPECT_NEAR(p.values[0] + p.values[1] + p.values[2], 1, 1e-6);
  }
}

// ---- The network in training, cell by cell ------------------------------------------------------

using Rows = std::vector<std::vector<double>>;  // cells x width

class Naive {
 public:
  Naive(const Weights& weights, const Embedded& cells) : weights_(weights) {
    for (int64_t cell = 0; cell < cells.z.shape[0]; ++cell)
      z_.emplace_back(cells.z.values.begin() + cell * 6, cells.z.values.begin() + (cell + 1) * 6);
  }

  // Moves the running statistics by those of these cells. Returns logits.
  Rows forward() {
    Rows x = normed(z_, "norm_layer_in");
    x = relu(normed(linear(x, "linear1"), "norm_layer1"));
    x = relu(normed(linear(x, "linear2"), "norm_layer2"));
    return linear(x, "output");
  }

  static double loss(const Rows& logits, const std::vector<int32_t>& types, bool plain) {
    double sum = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const std::vector<double> p = softmax(logits[i]);
      sum -= std::log(plain ? p[types[i]] : softmax(p)[types[i]]);
    }
    return sum / static_cast<double>(logits.size());
  }

  const Weights& weights() const { return weights_; }

 private:
  FloatArray& weight(const std::string& name) { return array_of(weights_, "classifier." + name); }

  static std::vector<double> softmax(const std::vector<double>& x) {
    std::vector<double> p;
    double sum = 0;
    for (const double value : x) p.push_back(std::exp(value)), sum += p.back();
    for (double& value : p) value /= sum;
    return p;
  }

  static Rows relu(Rows x) {
    for (auto& row : x)
      for (double& value : row) value = std::max(value, 0.0);
    return x;
  }

  Rows linear(const Rows& x, const std::string& name) {
    const FloatArray& w = weight(name + ".weight");
    Rows y;
    for (const auto& row : x) {
      y.emplace_back();
      for (int64_t o = 0; o < w.shape[0]; ++o) {
        double sum = weight(name + ".bias").values[o];
        for (size_t i = 0; i < row.size(); ++i) sum += w.values[o * row.size() + i] * row[i];
        y.back().push_back(sum);
      }
    }
    return y;
  }

  Rows normed(Rows x, const std::string& name) {
    const double cells = static_cast<double>(x.size());
    for (size_t c = 0; c < x[0].size(); ++c) {
      double mean = 0, squares = 0;
      for (const auto& row : x) mean += row[c] / cells;
      for (const auto& row : x) squares += std::pow(row[c] - mean, 2);
      float& running_mean = weight(name + ".running_mean").values[c];
      float& running_var = weight(name + ".running_var").values[c];
      running_mean = static_cast<float>(0.9 * running_mean + 0.1 * mean);
      running_var = static_cast<float>(0.9 * running_var + 0.1 * squares / (cells - 1));
      for (auto& row : x)
        row[c] = (row[c] - mean) / std::sqrt(squares / cells + 1e-5) *
                     weight(name + ".weight").values[c] +
                 weight(name + ".bias").values[c];
    }
    return x;
  }

  Weights weights_;
  Rows z_;
};

TEST(ClassifierTrainer, losses_and_running_statistics_equal_the_naive_loop) {
  for (const bool plain : {false, true}) {
    Embedded cells(15);
    const Weights weights = canal::start_classifier(widths, 4);
    canal::ClassifierOptions options = classifier_options();
    options.plain_cross_entropy = plain;
    ClassifierTrainer trainer = cells.trainer(weights, options);
    Naive naive(weights, cells);
    const double expected = Naive::loss(naive.forward(), cells.types, plain);
    // A rate of 0 leaves all that learns where it is.
    EXPECT_NEAR(trainer.train(in_order(15), 0, cells.control).loss, expected, 1e-5);
    const Weights after = trainer.weights();
    EXPECT_EQ(after.size(), 18u);
    for (const auto& [name, array] : naive.weights())
      EXPECT_LT(canal_test::largest_difference(*canal::find(after, name), array), 1e-5) << name;
    EXPECT_NE(canal::find(after, "classifier.norm_layer1.running_var")->values,
              canal::find(weights, "classifier.norm_layer1.running_var")->values);
  }
}

TEST(ClassifierTrainer, gradients_equal_finite_differences) {
  Embedded cells(15);
  const Weights weights = canal::start_classifier(widths, 4);
  canal_test::Slopes known;
  for (const char* statistic : {".running_mean", ".running_var"})
    for (const std::string& name : canal_test::names_ending(weights, statistic))
      known.frozen.push_back(name);
  // The norms behind them take away what is added to all cells.
  known.flat = {"classifier.norm_layer_in.bias", "classifier.linear1.bias",
                "classifier.linear2.bias"};
  for (const bool plain : {false, true}) {
    SCOPED_TRACE(plain);
    canal::ClassifierOptions options = classifier_options();
    options.plain_cross_entropy = plain;
    ClassifierTrainer trainer = cells.trainer(weights, options);
    const Weights gradients = trainer.gradients();
    expect_equal(trainer.weights(), weights);
    EXPECT_EQ(gradients.size(), 12u);
    const auto loss = [&](const Weights& at) {
      return Naive::loss(Naive(at, cells).forward(), cells.types, plain);
    };
    canal_test::expect_slopes(weights, gradients, loss, known);
  }
}

TEST(ClassifierTrainer, learns_and_validates_with_the_running_statistics) {
  Embedded cells(200), others(50, 2);
  canal::ClassifierOptions options = classifier_options();
  options.dropout = 0.2;
  ClassifierTrainer trainer = cells.trainer(canal::start_classifier(widths, 4), options);
  canal::ClassifierEpoch epoch{};
  for (int i = 0; i < 20; ++i) epoch = trainer.train({}, 5e-3, cells.control);
  EXPECT_GT(epoch.accuracy, 0.7);
  const auto validation = trainer.validate(others.z, others.types, others.control);
  const canal::CellularClassifier classifier(trainer.weights());
  const FloatArray p = classifier.probabilities(others.z, 2, others.control);
  double loss = 0;
  for (int cell = 0; cell < 50; ++cell) {
    const float* row = p.values.data() + cell * 3;
    EXPECT_EQ(validation.predicted[cell], std::max_element(row, row + 3) - row);
    const double sum = std::exp(row[0]) + std::exp(row[1]) + std::exp(row[2]);
    loss -= std::log(std::exp(row[others.types[cell]]) / sum) / 50;
  }
  EXPECT_NEAR(validation.loss, loss, 1e-5);
}

// 33 cells in mini-batches of 16: the last has 17.
TEST(ClassifierTrainer, a_last_cell_alone_joins_those_before_it) {
  const Weights weights = canal::start_classifier(widths, 4);
  const auto trained = [&](int64_t cells, int64_t batch_size) {
    const Embedded all(33);
    canal::ClassifierOptions options = classifier_options();
    options.batch_size = batch_size;
    canal::Control control;
    ClassifierTrainer trainer = all.trainer(weights, options);
    trainer.train(in_order(cells), 1e-3, control);
    EXPECT_EQ(control.done, cells);
    return trainer.state();
  };
  EXPECT_EQ(trained(33, 16).steps, 2);
  EXPECT_EQ(trained(34 - 2, 16).steps, 2);
  EXPECT_EQ(trained(18, 17).steps, 1);
  expect_equal(trained(18, 17).weights, trained(18, 18).weights);
}

TEST(ClassifierTrainer, a_stopped_run_goes_on_to_the_last_bit) {
  Embedded cells(60);
  canal::ClassifierOptions options = classifier_options();
  options.dropout = 0.3;
  const Weights weights = canal::start_classifier(widths, 4);
  ClassifierTrainer whole = cells.trainer(weights, options);
  canal::TrainingState state;
  for (int epoch = 0; epoch < 4; ++epoch) {
    whole.train({}, 1e-3, cells.control);
    if (epoch == 1) {
      whole.keep_best();
      state = whole.state();
    }
  }
  options.seed = 99;
  ClassifierTrainer resumed = cells.trainer(weights, options);
  resumed.restore(state);
  for (int epoch = 2; epoch < 4; ++epoch) resumed.train({}, 1e-3, cells.control);
  expect_equal(resumed.weights(), whole.weights());
  expect_equal(resumed.best_weights(), state.weights);
}

TEST(ClassifierErrors, what_does_not_fit_is_refused) {
  Embedded cells(20);
  const Weights weights = canal::start_classifier(widths, 4);
  const canal::ClassifierOptions options = classifier_options();
  const auto with = [&](auto change) {
    canal::ClassifierOptions other = options;
    change(other);
    cells.trainer(weights, other);
  };
  EXPECT_NO_THROW(with([](auto&) {}));
  EXPECT_THROW(with([](auto& o) { o.dropout = -0.1; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.batch_size = 1; }), canal::Error);
  EXPECT_THROW(with([](auto& o) { o.accumulation = 2; }), canal::Error);
  ClassifierTrainer trainer = cells.trainer(weights, options);
  EXPECT_THROW(trainer.train({3}, 1e-3, cells.control), canal::Error);
  EXPECT_THROW(trainer.train({3, 20}, 1e-3, cells.control), canal::Error);
  cells.types[4] = 3;
  EXPECT_THROW(cells.trainer(weights, options), canal::Error);
  cells.types.pop_back();
  EXPECT_THROW(cells.trainer(weights, options), canal::Error);
  const FloatArray narrow{{2, 5}, std::vector<float>(10)};
  EXPECT_THROW(canal::CellularClassifier(weights).probabilities(narrow, 1, cells.control),
               canal::Error);
  EXPECT_THROW(trainer.validate(narrow, {0, 1}, cells.control), canal::Error);
  Weights other = weights;
  other.erase(other.begin() + 2);
  EXPECT_THROW(canal::CellularClassifier{other}, canal::Error);
}

}  // namespace
