// Untrained weights, as PyTorch draws them: linear layers uniformly within 1 / sqrt(inputs), norms
// that change nothing.
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "engine/cellular/classifier.h"
#include "engine/cellular/encoder.h"
#include "engine/errors.h"
#include "engine/nn/random.h"

namespace canal {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// In the order of the visit, so that a bias is drawn behind its weight and in its range.
class Draw {
 public:
  Draw(uint64_t seed, Weights& to) : generator_(make_generator(seed)), to_(to) {}
  void operator()(const std::string& name, const at::Tensor&, const Shape& shape) {
    to_.emplace_back(name, to_array(start_of(name, shape)));
  }

 private:
  at::Tensor start_of(const std::string& name, const Shape& shape) {
    if (ends_with(name, "running_var")) return at::ones(shape);
    if (ends_with(name, "running_mean")) return at::zeros(shape);
    if (name.find("norm_layer") != std::string::npos)
      return ends_with(name, "weight") ? at::ones(shape) : at::zeros(shape);
    if (shape.size() == 2) inputs_ = shape[1];
    return draw_linear(shape, inputs_, generator_);
  }

  at::Generator generator_;
  Weights& to_;
  int64_t inputs_ = 1;  // of the linear layer that is being drawn
};

void check_widths(std::initializer_list<int64_t> widths) {
  for (const int64_t width : widths)
    if (width < 1) throw Error(ErrorKind::input, "A layer needs a width of at least 1.");
}

}  // namespace

Weights start_encoder(const EncoderWidths& widths, double temperature, uint64_t seed) {
  check_widths({widths.genes, widths.first, widths.second, widths.latent});
  Weights weights;
  EncoderParameters none;
  visit_encoder(none, widths, Draw(seed, weights));
  weights.emplace_back("temperature_target", FloatArray{{}, {static_cast<float>(temperature)}});
  return weights;
}

Weights start_classifier(const ClassifierWidths& widths, uint64_t seed) {
  check_widths({widths.latent, widths.first, widths.second, widths.types});
  Weights weights;
  ClassifierParameters none;
  visit_classifier(none, widths, Draw(seed, weights));
  return weights;
}

}  // namespace canal
