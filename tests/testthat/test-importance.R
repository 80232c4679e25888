shares_of_tokens <- function(bytes, model, maps = "published") {
  cpp_attention_shares(cpp_attention_reader(model@weights, "cpu"), bytes, maps, 2L, NULL)
}

test_that("attention's shares are the recorded ones", {
  tokens <- golden_array("tokens")
  model <- golden_model("pretrained.pth", vocabulary = paste0("G", seq_len(ncol(tokens) - 1)))
  shares <- shares_of_tokens(token_bytes(tokens), model)
  expected <- golden_array("attention_gene_share")
  expect_identical(dim(shares), dim(expected))
  expect_lt(max(abs(shares - expected)), 1e-6)
  expect_equal(rowSums(shares), rep(1, nrow(tokens)), tolerance = 1e-6)
})

importance_of <- function(cells, model, ...) {
  canal_gene_importance(cells$counts, model, ..., verbose = FALSE)
}

# Shares of single cells, one call a cell, cells x N.
shares_one_by_one <- function(cells, model) {
  tokens <- canal_prepare(cells$counts, model, verbose = FALSE)
  shares <- vapply(seq_len(nrow(tokens)), function(i) {
    shares_of_tokens(tokens@tokens[, i, drop = FALSE], model)[1, ]
  }, numeric(length(model@genes) + 1))
  t(shares)
}

test_that("a type's shares are the mean over its cells, and lifts are over the mean of types", {
  cells <- stage_one_cells()
  model <- stage_one()
  importance <- importance_of(cells, model, by = cells$types, top = Inf)
  alone <- shares_one_by_one(cells, model)
  types <- sort(unique(cells$types))
  expected <- vapply(types, function(type) {
    colMeans(alone[cells$types == type, , drop = FALSE])
  }, numeric(ncol(alone)))
  shares <- as.matrix(importance)
  expect_identical(dimnames(shares), list(model@genes, types))
  expect_equal(unname(shares[, types]), unname(expected[seq_along(model@genes), ]))
  expect_equal(attr(shares, "closing"), expected[nrow(expected), ])
  expect_equal(unname(colSums(shares) + attr(shares, "closing")), rep(1, length(types)),
               tolerance = 1e-6)
  mean_share <- apply(expected, 1, mean)[seq_along(model@genes)]
  for (type in types) {
    rows <- importance[importance$type == type, ]
    expect_setequal(rows$gene, model@genes)
    expect_equal(rows$share, unname(shares[rows$gene, type]))
    expect_equal(rows$lift, unname(shares[rows$gene, type] / mean_share[match(rows$gene,
                                                                              model@genes)]))
    expect_identical(rows$rank, seq_along(model@genes))
    expect_false(is.unsorted(rev(rows$lift)))
  }
  expect_identical(attr(importance, "cells")[types], c(table(cells$types))[types])
})

test_that("pieces and blocks of cells change nothing", {
  cells <- stage_one_cells()
  model <- stage_one()
  types <- sort(unique(cells$types))
  query <- open_query(cells$counts, model, "counts", NULL, 0L, FALSE)
  type_of <- function(tokens, some) match(cells$types[some], types)
  sums <- function(at_once) {
    attention_sums(query, model, length(types), type_of, "used", 0L, "cpu", FALSE, at_once)
  }
  expect_equal(sums(7), sums(1000))
  expect_identical(sums(7)$cells, as.integer(table(cells$types)))
})

test_that("the map that the network uses is another one than the published one", {
  cells <- stage_one_cells()
  shares <- function(maps) {
    as.matrix(importance_of(cells, stage_one(), by = cells$types, maps = maps))
  }
  expect_gt(max(abs(shares("used") / shares("published") - 1)), 1e-4)
  expect_identical(shares("published"),
                   as.matrix(importance_of(cells, stage_one(), by = cells$types)))
  expect_refused(shares("other"), "argument", "maps")
})

test_that("a file gives what its counts in memory give", {
  path <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
  whole <- cells_of(path)
  model <- stage_one()
  from_file <- canal_gene_importance(path, model, by = "celltype", verbose = FALSE)
  in_memory <- canal_gene_importance(whole$counts, model, by = whole$obs$celltype, verbose = FALSE)
  expect_identical(from_file, in_memory)
  expect_identical(nrow(from_file), 20L * length(unique(whole$obs$celltype)))
})

test_that("by label is by what the model predicts", {
  cells <- stage_two_cells()
  model <- stage_two()
  predicted <- predict_quietly(cells$counts, model)$canal_label
  by_label <- importance_of(cells, model)
  expect_equal(by_label[order(by_label$type), ]$share,
               importance_of(cells, model, by = predicted)$share)
  expect_identical(unique(by_label$type), intersect(model@labels, predicted))
})

test_that("cells with too few genes are left out, with their labels", {
  cells <- stage_one_cells()
  counts <- cells$counts
  counts[, 1] <- 0
  some <- canal_gene_importance(counts, stage_one(), by = cells$types, verbose = FALSE)
  rest <- canal_gene_importance(counts[, -1], stage_one(), by = cells$types[-1], verbose = FALSE)
  expect_identical(as.matrix(some), as.matrix(rest))
  counts[] <- 0
  expect_refused(canal_gene_importance(counts, stage_one(), verbose = FALSE), "empty", "x")
})

test_that("genes are listed by share, and as many as asked for", {
  cells <- stage_one_cells()
  by_share <- importance_of(cells, stage_one(), by = cells$types, rank_by = "share", top = 3)
  expect_identical(by_share$rank, rep(1:3, length(unique(cells$types))))
  shares <- as.matrix(by_share)
  for (type in unique(by_share$type)) {
    expect_identical(by_share$gene[by_share$type == type],
                     names(utils::head(sort(shares[, type], decreasing = TRUE), 3)))
  }
  one <- importance_of(cells, stage_one(), by = rep("all", ncol(cells$counts)), top = 2)
  expect_identical(one$lift, c(1, 1))
  expect_identical(one$gene, names(utils::head(sort(as.matrix(one)[, 1], decreasing = TRUE), 2)))
})

test_that("an importance prints, and rows of it stay one", {
  cells <- stage_one_cells()
  importance <- importance_of(cells, stage_one(), by = cells$types)
  text <- capture.output(print(importance, n = 2))
  beta <- importance[importance$type == "beta", ]
  expect_s3_class(beta, "canal_importance")
  expect_true(any(grepl(sprintf("beta (%d): %s %.2f, %s %.2f", sum(cells$types == "beta"),
                                beta$gene[1], beta$lift[1], beta$gene[2], beta$lift[2]), text,
                        fixed = TRUE)))
  expect_identical(class(importance["gene"]), "data.frame")
  expect_identical(class(as.data.frame(importance)), "data.frame")
  expect_equal(as.matrix(importance, "lift"),
               structure(as.matrix(importance) / rowMeans(as.matrix(importance)),
                         closing = attr(importance, "closing")))
})

test_that("what cannot be done is refused", {
  cells <- stage_one_cells()
  expect_refused(importance_of(cells, untrained()), "model", "model")
  expect_refused(importance_of(cells, list()), "argument", "model")
  expect_refused(importance_of(cells, stage_one(), by = "celltype"), "labels", "by")
  expect_refused(importance_of(cells, stage_one(), by = cells$types[-1]), "labels", "by")
  expect_refused(importance_of(cells, stage_one(), top = 0), "argument", "top")
  expect_refused(importance_of(cells, stage_one(), rank_by = "p"), "argument", "rank_by")
  expect_refused(importance_of(cells, stage_one(), min_genes = -1), "argument", "min_genes")
  expect_refused(as.matrix(importance_of(cells, stage_one()), "p"), "argument", "what")
})

test_that("a model without types reads attention by given labels", {
  cells <- stage_one_cells()
  importance <- importance_of(cells, untrained(), by = cells$types)
  expect_identical(nrow(as.matrix(importance)), nrow(cells$counts))
})

test_that("importances are drawn, of few types and of many", {
  skip_if_not_installed("ggplot2")
  cells <- stage_one_cells()
  importance <- importance_of(cells, stage_one(), by = cells$types)
  for (measure in c("lift", "share")) {
    listed <- importance_of(cells, stage_one(), by = cells$types, rank_by = measure)
    drawn <- plot(listed, genes = 4)$data
    expect_identical(nrow(drawn), 4L * length(unique(cells$types)))
    expect_identical(drawn$value, drawn[[measure]])
    beta <- drawn[drawn$type == "beta", ]
    expect_identical(beta$gene, listed$gene[listed$type == "beta" & listed$rank <= 4])
    expect_identical(beta$row, 1:4)
  }
  many <- importance_of(cells, stage_one(),
                        by = paste("type", rep_len(1:30, ncol(cells$counts))))
  built <- ggplot2::ggplot_build(plot(many))
  expect_identical(nrow(built$layout$layout), length(attr(many, "cells")))
  expect_error(plot(importance, genes = 0), class = "canalR_error_argument")
})

# All that is written in the strips of a drawn plot.
strip_texts <- function(table) {
  strips <- table$grobs[grepl("^strip", table$layout$name)]
  texts <- function(grob) {
    parts <- c(grob$children, grob$grobs)
    c(if (inherits(grob, "text")) grob$label, unlist(lapply(parts, texts)))
  }
  unlist(lapply(strips, texts))
}

test_that("names in the picture find room, however many types there are", {
  skip_if_not_installed("ggplot2")
  set.seed(1)
  for (n_types in c(1, 2, 5, 12, 30, 60)) {
    types <- paste("CD8-positive, alpha-beta memory T cell, number", seq_len(n_types))
    genes <- data.frame(type = rep(types, each = 15), gene = sprintf("ENSG%011d", 1:15),
                        rank = 1:15)
    genes$lift <- 1 + stats::rexp(nrow(genes))
    genes$share <- genes$lift / 1000
    x <- structure(genes, class = c("canal_importance", "data.frame"), rank_by = "lift",
                   cells = stats::setNames(rep(12345, n_types), types))
    picture <- plot(x)
    expect_identical(levels(picture$data$panel), types)
    titles <- panel_layout(attr(x, "cells"))$titles
    in_one_line <- gsub("\n", " ", titles, fixed = TRUE)
    if (n_types < 60) {
      expect_identical(in_one_line, stats::setNames(paste(types, "(12,345)"), types))
    } else {
      expect_match(in_one_line, "^CD8-positive.*[.]{3}.*umber [0-9]+ [(]12,345[)]$")
    }
    size <- (if (n_types > 14) c(24, 18) else c(18, 12)) / 2.54
    grDevices::pdf(NULL, size[1], size[2])
    table <- ggplot2::ggplotGrob(picture)
    points <- 72.27 * size[2]
    taken <- sum(grid::convertHeight(table$heights, "points", valueOnly = TRUE))
    expect_true(all(titles %in% strip_texts(table)))
    panels <- length(unique(table$layout$t[grepl("^panel", table$layout$name)]))
    text <- picture$layers[[3]]$aes_params$size * ggplot2::.pt
    widest <- grid::convertWidth(grid::grobWidth(grid::textGrob(
      " ENSG00000000015", gp = grid::gpar(fontsize = text))), "points", valueOnly = TRUE)
    grDevices::dev.off()
    # What the panels share is the picture's height without all that has a height of its own.
    expect_lte(text, (points - taken) / panels / max(picture$data$row))
    expect_lte(widest, 72.27 * size[1] / ceiling(sqrt(0.8 * n_types)) - 6)
  }
})

test_that("cells that are left out need no label", {
  cells <- stage_one_cells()
  counts <- cells$counts
  counts[, 2] <- 0
  counts <- Matrix::drop0(counts)
  types <- replace(cells$types, 2, NA)
  found <- canal_gene_importance(counts, stage_one(), by = types, verbose = FALSE)
  expect_setequal(found$type, cells$types[-2])
  expect_error(canal_gene_importance(counts, stage_one(), by = replace(types, 3, NA),
                                     verbose = FALSE), class = "canalR_error_labels")
})

test_that("tokens give what their counts give", {
  cells <- stage_one_cells()
  model <- stage_one()
  tokens <- canal_prepare(cells$counts, model, verbose = FALSE)
  expect_identical(canal_gene_importance(tokens, model, verbose = FALSE),
                   canal_gene_importance(cells$counts, model, verbose = FALSE))
})
