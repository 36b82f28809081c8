-- Somebody forgets a WHERE.
DELETE FROM shop.order_line;
