"""Looking at data, codes and models: figures."""
