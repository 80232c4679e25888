#include "engine/cellular/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "engine/cellular/sparse_rows.h"
#include "engine/nn/operators.h"

namespace canal {

namespace {

// in x out, row-major: no copy of an input_major() one.
at::Tensor by_input(const at::Tensor& weight) { return weight.detach().t().contiguous(); }

// a (rows x depth) times b (depth x columns), both row-major; a may be the transpose of one.
at::Tensor product(const Tier& tier, const at::Tensor& a, const at::Tensor& b) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1);
  const at::Tensor to = at::empty({rows, columns}, at::kFloat);
  tier.dense({a.data_ptr<float>(), a.stride(0), a.stride(1)}, rows, {b.data_ptr<float>(), columns},
             depth, columns, {to.data_ptr<float>(), columns},
             room_for(dense_product_room(rows, depth, columns)));
  return to;
}

// Without bias. transposed: of the weight, in x out.
struct KernelLinear : torch::autograd::Function<KernelLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& transposed,
                            const Tier* tier) {
    const at::Tensor rows = x.contiguous();
    context->save_for_backward({rows, weight});
    context->saved_data["tier"] = reinterpret_cast<int64_t>(tier);
    return product(*tier, rows, transposed);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    // NOLINTNEXTLINE(performance-no-int-to-ptr): what LibTorch keeps is no pointer
    const Tier& tier = *reinterpret_cast<const Tier*>(context->saved_data["tier"].toInt());
    const at::Tensor dy = gradients[0].contiguous();  // B x out
    return {product(tier, dy, saved[1]), product(tier, dy.t(), saved[0]), {}, {}};
  }
};

}  // namespace

Linear linear_by_operator() {
  return [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return at::linear(x, weight, bias);
  };
}

Linear linear_by_cell(const Tier* tier) {
  if (tier == nullptr) return linear_by_operator();
  return [tier](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    const OwnedRows rows = nonzeros(x.contiguous());
    const at::Tensor dense = by_input(weight);
    const at::Tensor to = at::empty({rows.rows(), dense.size(1)}, at::kFloat);
    tier->sparse(rows.view(), 0, rows.rows(), {dense.data_ptr<float>(), dense.size(1)},
                 dense.size(1), {to.data_ptr<float>(), to.size(1)});
    return to.add_(bias);
  };
}

Linear linear_by_kernel(const Tier& tier, const std::vector<at::Tensor>& weights) {
  std::vector<std::pair<at::Tensor, at::Tensor>> known;  // with their transposes
  known.reserve(weights.size());
  for (const at::Tensor& weight : weights) known.emplace_back(weight, by_input(weight));
  return [&tier, known](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    for (const auto& [own, transposed] : known)
      if (weight.is_same(own)) return KernelLinear::apply(x, weight, transposed, &tier) + bias;
    return at::linear(x, weight, bias);
  };
}

at::Tensor input_major(const at::Tensor& weight) { return weight.t().contiguous().t(); }

}  // namespace canal
