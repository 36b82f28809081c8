-- What happens in a shop between two backups: somebody looks at a product.
INSERT INTO shop.access_log VALUES ('2026-01-01 12:00:00', '/product/42', 200);
