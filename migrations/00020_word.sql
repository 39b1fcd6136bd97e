-- +goose Up
-- A window that the org cannot be asked about any more (the workers lost the write app's
-- key, the org is gone) is closed on the word of a person who may approve restores; not
-- while the org was seen to let the write app in.

alter table restores add column seen_open_at timestamptz;
comment on column restores.seen_open_at is 'when the restore came to wait for its write app to be deactivated, or the org last let that in since';
alter table restores add column closed_by uuid;
alter table restores add constraint restores_closed_by_fkey foreign key (closed_by) references users (id);
comment on column restores.closed_by is 'on whose word the window is closed; null: the org refused the write app';
grant update (seen_open_at) on restores to imago_worker;
grant update (problem, window_closed_at, closed_by) on restores to imago_api;

-- +goose StatementBegin
create function guard_word() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if new.state = 'closing' and old.state <> 'closing' then
        new.seen_open_at = now(); -- it may have written until now
    end if;
    if public.current_job_kind() is not null or public.current_user_id() is null then
        return new;
    end if;
    if new.problem is distinct from old.problem and new.ended_at is null then
        raise exception 'what hinders restore % is not a person''s to say', old.id using errcode = 'IM002';
    end if;
    if (new.state, new.ended_at, new.window_closed_at, new.closed_by)
            is not distinct from (old.state, old.ended_at, old.window_closed_at, old.closed_by)
            or old.window_opened_at is null and new.window_closed_at is null and new.closed_by is null then
        return new;
    end if;
    -- A window is open, and a person ends what has it.
    if old.state <> 'closing' or new.state not in ('closed', 'stopped') or new.ended_at is null or new.window_closed_at is null
            or new.closed_by is distinct from public.current_user_id() or not public.may_approve(public.current_member_role()) then
        raise exception 'the window of restore % is not a person''s to close', old.id using errcode = 'IM002';
    end if;
    if coalesce(old.seen_open_at, old.window_opened_at) > now() - interval '1 hour' then
        raise exception 'the org let the write app of restore % in within the last hour', old.id
            using errcode = 'IM003', hint = 'deactivate it in the org: the restore ends by itself then';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_word() is 'a person closes no window but one that has not been seen open for an hour';
create trigger restores_word before update on restores for each row execute function guard_word();
