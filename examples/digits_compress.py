"""Compress digits to a few numbers: a nonlinear code against principal components of the same width.

Both models see the same 1,347 pictures of 8 x 8 pixels and are compared on 450 others. The linear autoencoder is
principal component analysis in closed form, so it is the best that any linear code can do on the training part.
"""

from sklearn.model_selection import train_test_split

from isthmus import Autoencoder, LinearAutoencoder
from isthmus.data import load

WIDTHS = (2, 4, 8)


def main() -> None:
    """Print the held-out error of both, at each width."""
    train, test = train_test_split(load("digits").X, test_size=450, random_state=0)
    print("squared error per pixel on unseen digits (grey levels from 0 to 255)")
    print(f"{'width':>6}{'PCA':>10}{'nonlinear':>12}{'ratio':>9}")
    for width in WIDTHS:
        linear = LinearAutoencoder(width).fit(train).evaluate(test)["mse"]
        nonlinear = Autoencoder(width, max_epochs=60, random_state=0).fit(train).evaluate(test)["mse"]
        print(f"{width:>6}{linear:>10.1f}{nonlinear:>12.1f}{nonlinear / linear:>9.2f}")


if __name__ == "__main__":
    main()
