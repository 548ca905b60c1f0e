"""From stored bands to components: band selection, reducers, denoisers."""
