#include "engine/cellular/trained_encoder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "engine/cellular/checks.h"
#include "engine/cellular/first_layer.h"
#include "engine/kernels/choose.h"
#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

constexpr const char* temperature_name = "temperature_target";
constexpr size_t of_first_layer = 4;  // of trainable(), the first so many

FloatArray temperature_of(const Weights& weights, double otherwise) {
  if (find(weights, temperature_name) == nullptr) return {{}, {static_cast<float>(otherwise)}};
  return weight_of(weights, temperature_name, {});
}

// Some cells between the first layer and their embedding. Parts of a mini-batch go this way side by
// side, each on one thread: the operators are too short to be shared out one by one. Where it is
// cut does not depend on the number of threads, so that changes no bit.
struct Part {
  int64_t first, count;
  at::Tensor entered, z;  // count x H1, count x L
  GradientList gradients;
};

std::vector<Part> parts_of(int64_t cells) {
  std::vector<Part> parts;
  for (int64_t first = 0; first < cells; first += cells_in_part)
    parts.push_back({first, std::min(cells_in_part, cells - first), {}, {}, {}});
  return parts;
}

// All cells' embeddings, B x L.
at::Tensor joined(const std::vector<Part>& parts) {
  std::vector<at::Tensor> embeddings;
  embeddings.reserve(parts.size());
  for (const Part& part : parts) embeddings.push_back(part.z.detach());
  return at::cat(embeddings);
}

}  // namespace

TrainedEncoder::TrainedEncoder(const Weights& weights, const CellularOptions& options)
    : widths_(encoder_widths(weights)),
      parameters_(to_encoder(weights, widths_)),
      temperature_(to_tensor(temperature_of(weights, options.temperature))),
      least_(options.least_temperature),
      most_(options.most_temperature),
      tier_(choose_tier(options.compute)) {
  visit_encoder(parameters_, widths_,
                [&](const std::string& name, at::Tensor& tensor, const Shape&) {
                  trainable_.emplace_back(name, tensor);
                });
  trainable_.emplace_back(temperature_name, temperature_);
  bound_temperature();
  for (auto& named : trainable_) named.second.requires_grad_(true);
  if (tier_ != nullptr) first_layer_room_ = at::empty({widths_.genes, widths_.first}, at::kFloat);
}

at::Tensor TrainedEncoder::embed(const SparseCells& values,
                                 const std::vector<int64_t>& cells) const {
  const c10::NoGradGuard no_grad;
  at::Tensor z;  // B x L
  if (tier_ == nullptr) {
    on_one_thread([&] {
      z = leave_encoder(parameters_, enter_encoder(parameters_, dense_batch(values, cells)), {});
    });
    return z;
  }
  const at::Tensor entered = enter_sparse(parameters_, sparse_batch(values, cells), *tier_);
  std::vector<Part> parts = parts_of(entered.size(0));
  for_each_cell(static_cast<int64_t>(parts.size()), Gradients::off, [&](int64_t i) {
    Part& part = parts[i];
    part.z = leave_encoder(parameters_, entered.narrow(0, part.first, part.count), {});
  });
  return joined(parts);
}

GradientList TrainedEncoder::gradients_by_operators(const at::Tensor& x, const at::Tensor& kept,
                                                    const LossOf& loss) const {
  GradientList all, gradients;
  for (const auto& named : trainable_) all.push_back(named.second);
  on_one_thread(
      [&] {
        const at::Tensor z = leave_encoder(parameters_, enter_encoder(parameters_, x), kept);
        gradients = gradients_of(loss(z), all);
      },
      Gradients::on);
  return gradients;
}

GradientList TrainedEncoder::gradients(const SparseCells& values, const std::vector<int64_t>& cells,
                                       const at::Tensor& kept, const LossOf& loss) {
  if (tier_ == nullptr) return gradients_by_operators(dense_batch(values, cells), kept, loss);
  const SparseBatch batch = sparse_batch(values, cells);
  const at::Tensor entered = enter_sparse(parameters_, batch, *tier_);  // B x H1
  std::vector<Part> parts = parts_of(entered.size(0));
  const int64_t count = static_cast<int64_t>(parts.size());
  const Linear linear = linear_by_kernel(*tier_, {parameters_.linear2, parameters_.output});
  for_each_cell(count, Gradients::on, [&](int64_t i) {
    Part& part = parts[i];
    const auto own = [&](const at::Tensor& all) { return all.narrow(0, part.first, part.count); };
    part.entered = own(entered).detach().requires_grad_(true);
    part.z = leave_encoder(parameters_, part.entered, kept.defined() ? own(kept) : kept, linear);
  });

  const at::Tensor z = joined(parts).requires_grad_(true);  // B x L
  GradientList of_loss;                                     // of z and the temperature
  on_one_thread([&] { of_loss = gradients_of(loss(z), {z, temperature_}); }, Gradients::on);

  for_each_cell(count, Gradients::on, [&](int64_t i) {
    Part& part = parts[i];
    GradientList wanted;
    for (size_t g = of_first_layer; g + 1 < trainable_.size(); ++g)
      wanted.push_back(trainable_[g].second);
    wanted.push_back(part.entered);
    const at::Tensor dz = of_loss[0].narrow(0, part.first, part.count);
    part.gradients = gradients_of((part.z * dz).sum(), wanted);
  });
  std::vector<at::Tensor> dentered;
  GradientList behind;
  for (Part& part : parts) {
    dentered.push_back(part.gradients.back());
    part.gradients.pop_back();
    add_to(behind, std::move(part.gradients));
  }
  GradientList total =
      enter_sparse_backward(parameters_, batch, at::cat(dentered), *tier_, first_layer_room_);
  total.insert(total.end(), behind.begin(), behind.end());
  total.push_back(of_loss[1]);
  return total;
}

Weights TrainedEncoder::weights() const {
  std::vector<at::Tensor> values;
  for (const auto& named : trainable_) values.push_back(named.second);
  return named(*this, values);
}

void TrainedEncoder::set_weights(const Weights& weights) {
  const c10::NoGradGuard no_grad;
  for (auto& [name, tensor] : trainable_)
    tensor.copy_(to_tensor(weight_of(weights, name, tensor.sizes().vec())));
}

void TrainedEncoder::bound_temperature() {
  const c10::NoGradGuard no_grad;
  temperature_.clamp_(least_, most_);
}

}  // namespace canal
