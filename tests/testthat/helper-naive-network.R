# The network and its training again, as slowly and as plainly as R can say it: formulas of the
# papers on doubles, gradients by differences. It shares no code with the engine.

# Weights of a model as ordinary arrays, by their published names.
naive_weights <- function(weights) lapply(weights, cpp_weight_array)

naive_norm <- function(x, weight, bias) {
  t(apply(x, 1, function(row) {
    centred <- row - mean(row)
    centred / sqrt(mean(centred^2) + 1e-5) * weight + bias
  }))
}

naive_gelu <- function(x) x * stats::pnorm(x)

# FAVOR+ attention of one cell. x: N x D.
naive_attention <- function(x, w, prefix, heads) {
  at <- function(name) w[[paste0(prefix, name)]]
  projection <- at("0.fn.fast_attention.projection_matrix")  # M x E
  width <- ncol(projection)
  features <- nrow(projection)
  c4 <- width^-0.25
  of_head <- function(name, h) (x %*% t(at(name)))[, (h - 1) * width + seq_len(width), drop = FALSE]
  scores <- function(h, name) {
    part <- of_head(name, h)
    list(dash = c4 * part %*% t(projection), half = rowSums(part^2) * c4^2 / 2)
  }
  keys <- lapply(seq_len(heads), scores, name = "0.fn.to_k.weight")
  highest <- max(vapply(keys, function(key) max(key$dash), 0))
  out <- lapply(seq_len(heads), function(h) {
    query <- scores(h, "0.fn.to_q.weight")
    phi_q <- (exp(query$dash - query$half - apply(query$dash, 1, max)) + 1e-4) / sqrt(features)
    phi_k <- (exp(keys[[h]]$dash - keys[[h]]$half - highest) + 1e-4) / sqrt(features)
    map <- phi_q %*% t(phi_k)  # N x N
    (map / rowSums(map)) %*% of_head("0.fn.to_v.weight", h)
  })
  sweep(do.call(cbind, out) %*% t(at("0.fn.to_out.weight")), 2, at("0.fn.to_out.bias"), `+`)
}

# After the final norm, N x D. tokens: of one cell, the closing one included.
naive_encodings <- function(w, tokens, heads) {
  x <- w[["token_emb.weight"]][tokens + 1, , drop = FALSE] + w[["pos_emb.emb.weight"]]
  depth <- sum(grepl("\\.1\\.fn\\.fn\\.w1\\.weight$", names(w)))
  for (layer in seq_len(depth) - 1) {
    prefix <- sprintf("performer.net.layers.%d.", layer)
    at <- function(name) w[[paste0(prefix, name)]]
    x <- x + naive_attention(naive_norm(x, at("0.norm.weight"), at("0.norm.bias")), w, prefix,
                             heads)
    inner <- naive_norm(x, at("1.norm.weight"), at("1.norm.bias")) %*% t(at("1.fn.fn.w1.weight"))
    inner <- naive_gelu(sweep(inner, 2, at("1.fn.fn.w1.bias"), `+`))
    x <- x + sweep(inner %*% t(at("1.fn.fn.w2.weight")), 2, at("1.fn.fn.w2.bias"), `+`)
  }
  naive_norm(x, w[["norm.weight"]], w[["norm.bias"]])
}

naive_logits <- function(w, tokens, heads) {
  relu <- function(x) pmax(x, 0)
  linear <- function(x, name) {
    drop(w[[paste0("to_out.", name, ".weight")]] %*% x) + w[[paste0("to_out.", name, ".bias")]]
  }
  encodings <- naive_encodings(w, tokens, heads)
  scalars <- drop(encodings %*% as.vector(w[["to_out.conv1.weight"]])) + w[["to_out.conv1.bias"]]
  linear(relu(linear(relu(linear(relu(scalars), "fc1")), "fc2")), "fc3")
}

naive_log_softmax <- function(x) x - max(x) - log(sum(exp(x - max(x))))

# Plain cross-entropy of a cell. label: from 1.
naive_classification <- function(w, tokens, label, heads) {
  -naive_log_softmax(naive_logits(w, tokens, heads))[label]
}

# Weighted sum of the cross-entropies of the chosen places (from 1) of a cell, hidden from the
# network.
naive_masked <- function(w, tokens, places, heads, token_weights) {
  hidden <- replace(tokens, places, nrow(w[["token_emb.weight"]]) - 1)
  encodings <- naive_encodings(w, hidden, heads)
  sum(vapply(places, function(place) {
    scores <- drop(w[["to_out.weight"]] %*% encodings[place, ]) + w[["to_out.bias"]]
    -token_weights[tokens[place] + 1] * naive_log_softmax(scores)[tokens[place] + 1]
  }, 0))
}

# Central differences of loss(w) along every number of the named weights.
naive_gradients <- function(loss, w, names, step = 1e-5) {
  sapply(names, simplify = FALSE, function(name) {
    gradient <- w[[name]]
    for (i in seq_along(gradient)) {
      at <- function(by) {
        moved <- w
        moved[[name]][i] <- moved[[name]][i] + by
        loss(moved)
      }
      gradient[i] <- (at(step) - at(-step)) / (2 * step)
    }
    gradient
  })
}

# Steps of Adam along naive gradients. Returns the weights after them.
naive_adam <- function(loss, w, names, steps, rates, amsgrad = FALSE, clip = Inf) {
  zeros <- lapply(w[names], function(x) 0 * x)
  m <- v <- highest <- zeros
  for (t in seq_len(steps)) {
    gradients <- naive_gradients(loss, w, names)
    length <- sqrt(sum(unlist(gradients)^2))
    gradients <- lapply(gradients, `*`, min(1, clip / length))
    for (name in names) {
      m[[name]] <- 0.9 * m[[name]] + 0.1 * gradients[[name]]
      v[[name]] <- 0.999 * v[[name]] + 0.001 * gradients[[name]]^2
      highest[[name]] <- pmax(highest[[name]], v[[name]])
      spread <- if (amsgrad) highest[[name]] else v[[name]]
      w[[name]] <- w[[name]] - rates[t] * (m[[name]] / (1 - 0.9^t)) /
        (sqrt(spread / (1 - 0.999^t)) + 1e-8)
    }
  }
  w
}

largest_apart <- function(a, b) {
  max(vapply(names(a), function(name) max(abs(as.vector(a[[name]]) - as.vector(b[[name]]))), 0))
}
