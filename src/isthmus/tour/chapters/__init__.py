"""The chapters, in the lecture's order."""

from isthmus.tour.chapter import Chapter
from isthmus.tour.chapters import faces, foundations, networks, noise, sparse, uses, variational

CHAPTERS = (
    Chapter("encoder-decoder", "An encoder and a decoder", foundations.encoder_and_decoder),
    Chapter("identity", "The trap of the identity", foundations.identity),
    Chapter("loss", "The loss is a likelihood", foundations.loss),
    Chapter("pca", "A narrow code, and principal components", foundations.principal_components),
    Chapter("sparse", "A wide code with few active units", sparse.sparse),
    Chapter("convolutional", "Convolutions for pictures", networks.convolutional),
    Chapter("denoising", "Noise on the input", noise.denoising),
    Chapter("noise2noise", "Noise on the target, too", noise.noise_to_noise),
    Chapter("chain", "A denoiser makes new data", noise.chain),
    Chapter("stacked", "An autoencoder inside an autoencoder", networks.stacked),
    Chapter("smile", "Is she smiling? A distribution instead of a value", faces.smile),
    Chapter("smooth", "A smooth latent space", variational.smooth),
    Chapter("bound", "A bound on the likelihood", variational.bound),
    Chapter("reparameterisation", "Gradients through sampling", variational.reparameterisation),
    Chapter("three-spaces", "Why both terms are needed", variational.three_spaces),
    Chapter("samples", "New data", variational.new_data),
    Chapter("traversals", "One latent at a time", faces.traversals),
    Chapter("uses", "What the code is good for", uses.uses),
    Chapter("limits", "What is still missing", uses.limits),
)
