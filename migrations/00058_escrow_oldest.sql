-- +goose Up
-- What an escrow holds from: where data keys are retired, all are made anew without them.

alter table key_escrows
    add column oldest integer not null default 1,
    add constraint key_escrows_oldest_positive check (oldest > 0);
comment on column key_escrows.oldest is 'the first data key that it holds';
grant update (oldest) on key_escrows to imago_worker;
