#include "slopes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <utility>

#include "fixtures.h"

namespace canal_test {

namespace {

using canal::FloatArray;
using canal::Weights;
using Direction = std::vector<double>;  // one number for each entry of a weight

template <class Values>
double length(const Values& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

size_t largest_entry(const std::vector<float>& values) {
  const auto largest = std::max_element(values.begin(), values.end(),
                                        [](float a, float b) { return std::abs(a) < std::abs(b); });
  return static_cast<size_t>(largest - values.begin());
}

// Of a loss between two ends of a step.
struct Change {
  double found;
  double expected;  // by the gradient
  double typical;   // of a step that long in a random direction
};

class Checker {
 public:
  Checker(const Weights& weights, const LossAt& loss, const Slopes& known)
      : weights_(weights), loss_(loss), known_(known), random_(known.seed) {}

  void check_lists(const Weights& gradients);
  void check(const std::string& name, FloatArray& weight, const Weights& gradients);
  std::vector<std::string> complaints() && { return std::move(complaints_); }
  Weights& weights() { return weights_; }

 private:
  bool is_sound(const std::string& name, const FloatArray& weight, const FloatArray* gradient);
  void check_flat(const std::string& name, FloatArray& weight, const FloatArray& gradient);
  void check_slopes(const std::string& name, FloatArray& weight, const FloatArray& gradient);
  void check_along(const std::string& what, FloatArray& weight, const FloatArray& gradient,
                   const Direction& direction);
  double distance_along(const FloatArray& gradient, const Direction& direction) const;
  std::string complaint_of(const Change& change) const;
  Change change(FloatArray& weight, const FloatArray& gradient, const Direction& step);
  Direction signs(size_t count);

  template <class... Parts>
  void complain(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    complaints_.push_back(text.str());
  }

  Weights weights_;
  const LossAt& loss_;
  const Slopes& known_;
  std::mt19937 random_;
  std::vector<std::string> complaints_;
};

void Checker::check_lists(const Weights& gradients) {
  for (const auto* names : {&known_.frozen, &known_.flat})
    for (const std::string& name : *names)
      if (canal::find(weights_, name) == nullptr) complain(name, ": there is no such weight");
  std::vector<std::string> seen;
  for (const auto& [name, gradient] : gradients) {
    if (canal::find(weights_, name) == nullptr) complain(name, ": a gradient of no weight");
    if (contains(known_.frozen, name)) complain(name, ": a gradient of what does not learn");
    if (contains(seen, name)) complain(name, ": two gradients");
    seen.push_back(name);
  }
}

void Checker::check(const std::string& name, FloatArray& weight, const Weights& gradients) {
  if (contains(known_.frozen, name)) return;
  const FloatArray* gradient = canal::find(gradients, name);
  if (!is_sound(name, weight, gradient)) return;
  if (contains(known_.flat, name))
    check_flat(name, weight, *gradient);
  else
    check_slopes(name, weight, *gradient);
}

bool Checker::is_sound(const std::string& name, const FloatArray& weight,
                       const FloatArray* gradient) {
  const size_t before = complaints_.size();
  if (gradient == nullptr)
    complain(name, ": no gradient is listed");
  else if (gradient->shape != weight.shape || gradient->values.size() != weight.values.size())
    complain(name, ": the gradient is of another shape");
  else if (!std::all_of(gradient->values.begin(), gradient->values.end(),
                        [](float value) { return std::isfinite(value); }))
    complain(name, ": the gradient is not finite");
  else if (!contains(known_.flat, name) && length(gradient->values) == 0)
    complain(name, ": the gradient is zero");
  return complaints_.size() == before;
}

// Moves the weight by the step there and back. Entries are moved as far as float32 has it.
Change Checker::change(FloatArray& weight, const FloatArray& gradient, const Direction& step) {
  const std::vector<float> start = weight.values;
  Direction between(start.size());
  Change change{0, 0, 0};
  for (const double side : {1.0, -1.0}) {
    for (size_t i = 0; i < start.size(); ++i) {
      weight.values[i] = static_cast<float>(start[i] + side * step[i]);
      between[i] += side * weight.values[i];
    }
    change.found += side * loss_(weights_);
  }
  weight.values = start;
  for (size_t i = 0; i < start.size(); ++i) change.expected += between[i] * gradient.values[i];
  change.typical =
      length(gradient.values) * length(between) / std::sqrt(static_cast<double>(start.size()));
  return change;
}

Direction Checker::signs(size_t count) {
  Direction signs(count);
  for (double& sign : signs) sign = random_() % 2 == 0 ? 1 : -1;
  return signs;
}

void Checker::check_flat(const std::string& name, FloatArray& weight, const FloatArray& gradient) {
  for (int i = 0; i < known_.directions; ++i) {
    Direction step = signs(weight.values.size());
    for (double& value : step) value *= known_.farthest;
    const Change c = change(weight, gradient, step);
    if (!(std::abs(c.found) <= known_.rounding))
      complain(name, ": is flat, but the loss changes by ", c.found);
    if (!(c.typical <= known_.rounding))
      complain(name, ": is flat, but its gradient has the length ", length(gradient.values));
  }
}

void Checker::check_slopes(const std::string& name, FloatArray& weight,
                           const FloatArray& gradient) {
  const size_t count = weight.values.size();
  check_along(name + ", along its gradient", weight, gradient,
              {gradient.values.begin(), gradient.values.end()});
  for (int i = 0; i < known_.directions; ++i)
    check_along(name + ", along random signs", weight, gradient, signs(count));
  for (int i = 0; i <= known_.entries; ++i) {
    const size_t entry = i == 0 ? largest_entry(gradient.values) : random_() % count;
    Direction alone(count);
    alone[entry] = 1;
    check_along(name + ", entry " + std::to_string(entry), weight, gradient, alone);
  }
}

// A bend of relu's between the two ends counts by half, so where the change is another one they are
// brought nearer to each other, as far as rounding allows: a wrong gradient is as wrong there.
void Checker::check_along(const std::string& what, FloatArray& weight, const FloatArray& gradient,
                          const Direction& direction) {
  const double distance = distance_along(gradient, direction);
  std::string complaint;
  for (const double part : {1.0, 0.1}) {
    Direction step = direction;
    for (double& value : step) value *= part * distance;
    complaint = complaint_of(change(weight, gradient, step));
    if (complaint.empty()) return;
  }
  complain(what, ": ", complaint);
}

double Checker::distance_along(const FloatArray& gradient, const Direction& direction) const {
  double slope = 0, largest = 0;
  for (size_t i = 0; i < direction.size(); ++i) {
    slope += direction[i] * gradient.values[i];
    largest = std::max(largest, std::abs(direction[i]));
  }
  const double typical = length(gradient.values) * length(direction) /
                         std::sqrt(static_cast<double>(direction.size()));
  return std::min(known_.change / std::max(std::abs(slope), typical), known_.farthest / largest);
}

std::string Checker::complaint_of(const Change& c) const {
  const double size = std::max(std::abs(c.expected), c.typical);
  std::ostringstream text;
  if (!(size > 10 * known_.rounding))
    text << "too small a gradient to be seen; is the loss flat?";
  else if (!(std::abs(c.found - c.expected) <= known_.tolerance * size + known_.rounding))
    text << "the loss changes by " << c.found << ", by the gradient it would by " << c.expected;
  return text.str();
}

}  // namespace

std::vector<std::string> slope_complaints(const Weights& weights, const Weights& gradients,
                                          const LossAt& loss, const Slopes& known) {
  Checker checker(weights, loss, known);
  checker.check_lists(gradients);
  for (auto& [name, weight] : checker.weights()) checker.check(name, weight, gradients);
  return std::move(checker).complaints();
}

void expect_slopes(const Weights& weights, const Weights& gradients, const LossAt& loss,
                   const Slopes& known) {
  for (const std::string& complaint : slope_complaints(weights, gradients, loss, known))
    ADD_FAILURE() << complaint;
}

std::vector<std::string> names_ending(const Weights& weights, const std::string& end) {
  std::vector<std::string> names;
  for (const auto& [name, array] : weights)
    if (ends_with(name, end)) names.push_back(name);
  return names;
}

}  // namespace canal_test
