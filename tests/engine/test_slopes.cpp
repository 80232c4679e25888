// That the comparison of gradients with finite differences notices what is wrong with them.
#include "slopes.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

using canal::FloatArray;
using canal::Weights;
using canal_test::Slopes;

// A loss and its gradients: the sum of c sin(x) over all entries x, each with a c of its own, but
// of the idle ones. The fixed ones have no gradient.
class Known {
 public:
  Known() {
    add("matrix", {10, 12});
    add("bias", {6});
    add("idle", {3});
    add("fixed", {4});
    array("idle", factors_).values.assign(3, 0);
    for (size_t w = 0; w < 3; ++w) {
      FloatArray gradient = factors_[w].second;
      for (size_t i = 0; i < gradient.values.size(); ++i)
        gradient.values[i] *= std::cos(weights[w].second.values[i]);
      gradients.emplace_back(weights[w].first, gradient);
    }
  }

  double loss(const Weights& at) const {
    double sum = 0;
    for (size_t w = 0; w < at.size(); ++w)
      for (size_t i = 0; i < at[w].second.values.size(); ++i)
        sum += factors_[w].second.values[i] * std::sin(at[w].second.values[i]);
    return sum;
  }

  std::vector<std::string> complaints() const {
    return canal_test::slope_complaints(
        weights, gradients, [this](const Weights& at) { return loss(at); }, slopes);
  }

  FloatArray& gradient(const std::string& name) { return array(name, gradients); }

  Weights weights, gradients;
  Slopes slopes{{"fixed"}, {"idle"}};

 private:
  static FloatArray& array(const std::string& name, Weights& all) {
    return const_cast<FloatArray&>(*canal::find(all, name));
  }

  // Weights from -1 to 1, factors from 0.5 to 1.5 or the negative of that.
  void add(const std::string& name, const std::vector<int64_t>& shape) {
    FloatArray weight{shape, {}}, factor{shape, {}};
    for (int64_t i = 0; i < canal::element_count(shape); ++i) {
      const float share = static_cast<float>(random_() % 1000) / 1000;
      weight.values.push_back(2 * share - 1);
      factor.values.push_back((random_() % 2 == 0 ? 1.0f : -1.0f) * (0.5f + share));
    }
    weights.emplace_back(name, weight);
    factors_.emplace_back(name, factor);
  }

  Weights factors_;  // c
  std::mt19937 random_{1};
};

// Something complains, and everything that does of `name`.
void expect_complaints_of(const std::string& name, const Known& known) {
  const std::vector<std::string> complaints = known.complaints();
  EXPECT_FALSE(complaints.empty());
  for (const std::string& complaint : complaints)
    EXPECT_EQ(complaint.compare(0, name.size(), name), 0) << complaint;
}

// ---- Numbers ------------------------------------------------------------------------------------

TEST(Slopes, those_of_a_right_gradient_agree) {
  EXPECT_EQ(Known().complaints(), std::vector<std::string>());
}

TEST(Slopes, lost_entries_show) {
  Known few;
  std::fill_n(few.gradient("bias").values.begin(), 4, 0.0f);  // of six
  expect_complaints_of("bias", few);
  for (unsigned seed = 0; seed < 20; ++seed) {
    Known third;
    std::vector<float>& values = third.gradient("matrix").values;
    std::mt19937 random(seed);
    for (float& value : values)
      if (random() % 3 == 0) value = 0;
    third.slopes.entries = 0;  // random signs alone see it
    expect_complaints_of("matrix", third);
  }
}

TEST(Slopes, one_entry_of_the_wrong_sign_shows) {
  const size_t count = Known().gradient("matrix").values.size();
  for (size_t i = 0; i < count; i += 7) {
    Known known;
    float& value = known.gradient("matrix").values[i];
    value = -value;
    expect_complaints_of("matrix", known);
  }
}

TEST(Slopes, a_wrong_size_shows) {
  for (const float factor : {0.0f, 1e-6f, 0.5f, 0.9f, 1.1f, 2.0f, -1.0f, 1e6f}) {
    SCOPED_TRACE(factor);
    for (const char* name : {"matrix", "bias"}) {
      Known known;
      for (float& value : known.gradient(name).values) value *= factor;
      expect_complaints_of(name, known);
    }
  }
}

TEST(Slopes, entries_in_another_order_show) {
  Known known;
  std::vector<float>& values = known.gradient("matrix").values;  // 10 x 12
  const std::vector<float> right = values;
  for (size_t i = 0; i < values.size(); ++i) values[i] = right[i % 10 * 12 + i / 10];
  expect_complaints_of("matrix", known);
}

TEST(Slopes, what_is_no_number_shows) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const char* name : {"matrix", "bias", "idle"}) {
      Known known;
      known.gradient(name).values.back() = value;
      expect_complaints_of(name, known);
    }
  Known known;
  known.weights[0].second.values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(known.complaints().empty());  // the loss is none
}

// ---- Lists --------------------------------------------------------------------------------------

TEST(Slopes, a_weight_without_a_gradient_shows) {
  for (const size_t w : {0, 1, 2}) {
    Known known;
    known.gradients.erase(known.gradients.begin() + w);
    expect_complaints_of(known.weights[w].first, known);
  }
  Known none;
  none.gradients.clear();
  EXPECT_EQ(none.complaints().size(), 3u);
}

TEST(Slopes, a_gradient_too_many_shows) {
  Known frozen;
  frozen.gradients.push_back(frozen.weights[3]);
  expect_complaints_of("fixed", frozen);
  Known twice;
  twice.gradients.push_back(twice.gradients[1]);
  expect_complaints_of("bias", twice);
  Known unknown;
  unknown.gradients.emplace_back("nothing", FloatArray{{1}, {0}});
  expect_complaints_of("nothing", unknown);
}

TEST(Slopes, another_shape_shows) {
  Known turned;
  std::swap(turned.gradient("matrix").shape[0], turned.gradient("matrix").shape[1]);
  expect_complaints_of("matrix", turned);
  Known shorter;
  shorter.gradient("bias").values.pop_back();
  expect_complaints_of("bias", shorter);
}

TEST(Slopes, flat_weights_must_change_nothing) {
  Known sloping;  // though the gradient says so, too
  sloping.slopes.flat = {"idle", "bias"};
  sloping.gradient("bias").values.assign(6, 0);
  expect_complaints_of("bias", sloping);
  Known with_gradient;
  with_gradient.gradient("idle").values[1] = 1e-3f;
  expect_complaints_of("idle", with_gradient);
  Known unsaid;
  unsaid.slopes.flat.clear();
  expect_complaints_of("idle", unsaid);
  for (float& value : unsaid.gradient("idle").values) value = 1e-9f;
  expect_complaints_of("idle", unsaid);
}

TEST(Slopes, names_of_no_weight_show) {
  Known known;
  known.slopes.flat.emplace_back("idel");
  expect_complaints_of("idel", known);
}

// ---- The rest -----------------------------------------------------------------------------------

// |x - bend| has the slope -1 left of the bend, and another between points on both sides.
TEST(Slopes, a_bend_counts_only_where_it_is_very_near) {
  const Weights at{{"x", {{1}, {0}}}};
  const Weights gradient{{"x", {{1}, {-1}}}};
  const auto complaints = [&](double bend) {
    return canal_test::slope_complaints(at, gradient, [bend](const Weights& weights) {
      return std::abs(weights[0].second.values[0] - bend);
    });
  };
  EXPECT_TRUE(complaints(2e-5).empty());
  EXPECT_FALSE(complaints(2e-6).empty());
}

TEST(Slopes, complaints_are_failures) {
  Known known;
  const auto expect = [&] {
    canal_test::expect_slopes(
        known.weights, known.gradients, [&](const Weights& at) { return known.loss(at); },
        known.slopes);
  };
  expect();
  known.gradients.pop_back();
  EXPECT_NONFATAL_FAILURE(expect(), "idle: no gradient is listed");
}

}  // namespace
