#include "engine/novelty.h"

#include <ATen/ops/logsumexp.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/errors.h"
#include "engine/nn/operators.h"
#include "engine/nn/parameters.h"
#include "engine/nn/random.h"

namespace canal {

namespace {

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kDouble).contiguous();
  const double* first = flat.data_ptr<double>();
  return std::vector<double>(first, first + flat.numel());
}

// To 0..1 over the cells given. Where all are equal (one cell, say) their order carries no news:
// every one is put in the middle, and the score goes by the confidence alone.
std::vector<double> rescale(std::vector<double> values) {
  if (values.empty()) return values;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double from = *low, range = *high - *low;
  for (double& value : values) value = range > 0 ? (value - from) / range : 0.5;
  return values;
}

// -T log sum exp(logits / T). logits: cells x K.
std::vector<double> energies(const at::Tensor& logits, double temperature) {
  const at::Tensor energy = at::logsumexp(logits.to(at::kDouble) / temperature, {1}) * -temperature;
  return to_doubles(energy);
}

std::vector<double> confidences(const at::Tensor& logits) {
  return to_doubles(at::softmax(logits.to(at::kDouble), 1).amax(1));
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// u * manifold + (1 - u) * manifold of the partner. manifold: cells x W1.
FloatArray mix(const FloatArray& manifold, const MixingDraws& draws) {
  const int64_t cells = manifold.shape[0], width = manifold.shape[1];
  if (draws.weight.shape != manifold.shape || static_cast<int64_t>(draws.partner.size()) != cells)
    throw Error(ErrorKind::sizes, "Mixing draws: expected a partner and " + std::to_string(width) +
                                      " weights for each of " + std::to_string(cells) + " cells.");
  FloatArray mixed{manifold.shape, std::vector<float>(manifold.values.size())};
  for (int64_t i = 0; i < cells; ++i) {
    const int64_t other = draws.partner[i];
    if (other < 0 || other >= cells)
      throw Error(ErrorKind::input, "Mixing partner " + std::to_string(other) + " is no cell.");
    for (int64_t j = 0; j < width; ++j) {
      const float u = draws.weight.values[i * width + j];
      mixed.values[i * width + j] =
          u * manifold.values[i * width + j] + (1 - u) * manifold.values[other * width + j];
    }
  }
  return mixed;
}

}  // namespace

MixingDraws draw_mixing(int64_t cells, int64_t width, uint64_t seed) {
  at::Generator generator = make_generator(seed);
  MixingDraws draws{std::vector<int32_t>(cells), {{cells, width}, {}}};
  if (cells == 0) return draws;
  const at::Tensor partner = at::randint(cells, {cells}, generator, at::kLong);
  std::copy_n(partner.data_ptr<int64_t>(), cells, draws.partner.begin());
  draws.weight = to_array(at::rand({cells, width}, generator));
  return draws;
}

Novelty novelty(const Network& network, const FloatArray& logits, const FloatArray& manifold,
                const MixingDraws& draws, double temperature) {
  if (!(temperature > 0)) throw Error(ErrorKind::input, "The temperature must be above 0.");
  if (logits.shape.at(0) == 0) throw Error(ErrorKind::input, "There are no cells to score.");
  const c10::NoGradGuard no_grad;
  const at::Tensor own = to_tensor(logits);
  Novelty result;
  result.energy = energies(own, temperature);
  result.confidence = confidences(own);
  result.energy_scaled = rescale(result.energy);
  for (size_t i = 0; i < result.energy.size(); ++i)
    result.score.push_back((result.energy_scaled[i] + 1 - result.confidence[i]) / 2);
  result.mixed_logits = network.classify_manifold(mix(manifold, draws));
  const at::Tensor mixed = to_tensor(result.mixed_logits);
  result.energy_mixed = energies(mixed, temperature);
  result.confidence_mixed = confidences(mixed);
  result.threshold = (1 - mean(rescale(result.energy_mixed)) + mean(result.confidence_mixed)) / 2;
  return result;
}

}  // namespace canal
