-- A morning in the shop: 500 orders of 5 lines come in, which takes them from the stock by a trigger; one customer moves.
INSERT INTO shop.`order` (id, customer_id, state) SELECT 70000 + seq, seq, 'open' FROM shop.seq_1_to_500;
INSERT INTO shop.order_line SELECT 70001 + (seq - 1) DIV 5, 1 + (seq - 1) % 5, 150 + seq % 100, 1, 9.99 FROM shop.seq_1_to_2500;
UPDATE shop.customer SET address = '{"street": "Zürcher Straße 1", "city": "Basel", "zip": "4001"}' WHERE id = 42;
