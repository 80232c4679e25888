// Gradients against finite differences of the loss.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/array.h"

namespace canal_test {

using LossAt = std::function<double(const canal::Weights&)>;

// What is known of a loss, and how closely it is looked at.
struct Slopes {
  std::vector<std::string> frozen = {};  // weights that do not learn: they have no gradient
  std::vector<std::string> flat = {};    // the loss does not depend on them: gradients of zeros
  double change = 1e-4;                  // of the loss, by a step to either side
  double farthest = 0.05;                // that a step moves an entry of a weight
  double tolerance = 0.03;  // of what a step changes the loss by, or one at random typically would
  double rounding = 5e-7;   // of a difference of two losses, as they are computed in float32
  int directions = 4;       // of random signs
  int entries = 2;          // at random, beside the largest
  uint32_t seed = 1;
};

// What is wrong with `gradients`, one line each. All weights but the frozen ones must have a finite
// gradient of their shape, and all but the flat ones one that is not zero. The loss must change as
// it says along the gradient itself, which shows its size; along random signs, which reach all
// entries alike, so that it shows where some are lost or one is off by a tenth of the gradient's
// length; and where the largest entry or one at random moves alone. Flat weights must change
// nothing.
std::vector<std::string> slope_complaints(const canal::Weights& weights,
                                          const canal::Weights& gradients, const LossAt& loss,
                                          const Slopes& known = {});

// Fails with all complaints.
void expect_slopes(const canal::Weights& weights, const canal::Weights& gradients,
                   const LossAt& loss, const Slopes& known = {});

// Names that end so.
std::vector<std::string> names_ending(const canal::Weights& weights, const std::string& end);

}  // namespace canal_test
